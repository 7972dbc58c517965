package relay

import (
	"context"
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// nothing lends one lease and forgets everything.
type nothing struct{ held *lease.Lease }

func (n nothing) Acquire(context.Context, lease.Demand) (*lease.Lease, error) { return n.held, nil }
func (nothing) Pay(*lease.Charge, lease.Amounts)                              {}
func (nothing) SetAside(context.Context, *lease.Charge) bool                  { return true }

func (nothing) Settle(*lease.Lease, lease.Outcome)   {}
func (nothing) Record(context.Context, reqlog.Entry) {}
func (nothing) Attempt(string, upstream.Class)       {}
func (nothing) Retried(string)                       {}
func (nothing) RetryDenied(string)                   {}
func (nothing) FellBack(string)                      {}
func (nothing) Ignored(string, string)               {}
func (nothing) Ended(string, *reqlog.Entry)          {}

// What the relay itself costs: a stream of 50 events from a driver that costs
// nothing.
func BenchmarkChat(b *testing.B) {
	driver := driverFunc(func(context.Context, *upstream.Call) iter.Seq2[chat.Event, error] {
		return func(yield func(chat.Event, error) bool) {
			if !yield(begin, nil) {
				return
			}
			for range 47 {
				if !yield(chat.Event{Text: "a word "}, nil) {
					return
				}
			}
			_ = yield(stop, nil) && yield(usage, nil)
		}
	})
	free := nothing{&lease.Lease{ID: "1", TokenID: "a"}}
	for name, total := range map[string]time.Duration{"plain": 0, "deadline": time.Hour} {
		b.Run(name, func(b *testing.B) {
			r := New(Params{
				Catalog: catalogFunc(func(catalog.Wish) (catalog.Target, error) {
					return catalog.Target{Upstream: "up", Driver: driver, Model: "m", Discipline: discipline}, nil
				}),
				Leases: free, Prices: dear{}, Recorder: free, Counter: free, StatusOf: func(string, *chat.Error) int { return 500 }, Replicas: func() int { return 1 }, Logger: slog.New(slog.DiscardHandler),
				Policy: func() Policy { return Policy{MaxAttempts: 3, HoldBack: true, Total: total} },
			})
			request := newRequest()
			b.ReportAllocs()
			for b.Loop() {
				events := 0
				for _, err := range r.Chat(b.Context(), request, caller.Caller{}, lease.Choice{}) {
					if err != nil {
						b.Fatal(err)
					}
					events++
				}
				if events != 50 {
					b.Fatal(events)
				}
			}
		})
	}
}

// What the log's copy of a conversation costs.
func BenchmarkPrompt(b *testing.B) {
	request := &chat.Request{Messages: []chat.Message{
		says(chat.System, "be brief"), says(chat.User, strings.Repeat("word ", 100)), says(chat.Assistant, "yes"), says(chat.User, "go on"),
	}}
	b.ReportAllocs()
	for b.Loop() {
		promptOf(request)
	}
}
