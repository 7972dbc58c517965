package relay

import (
	"context"
	"iter"
	"log/slog"
	"math"
	"strconv"
	"testing"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
)

// lends lends a token of any upstream but those that rest, and counts nothing.
type lends struct {
	nothing
	resting map[string]bool
}

func (l lends) Acquire(_ context.Context, demand lease.Demand) (*lease.Lease, error) {
	if l.resting[demand.Upstream] {
		return nil, &chat.Error{Kind: chat.NoTokenAvailable, Message: "all rest"}
	}
	return l.held, nil
}

// An alias of three targets and two priorities: who answers is by weight within 2 %, with and
// without conversations; the second priority answers while the first can't, in whatever way it
// fails, and no longer.
func TestWhoAnswersIsByPriorityAndWeight(t *testing.T) {
	t.Parallel()
	failing := map[string]bool{}
	pool := lends{nothing{&lease.Lease{ID: "1", TokenID: "t"}}, map[string]bool{}}
	all := catalog.New(map[string]upstream.Constructor{
		"fake": func(config upstream.Config) (upstream.Driver, error) {
			return driverFunc(func(context.Context, *upstream.Call) iter.Seq2[chat.Event, error] {
				return func(yield func(chat.Event, error) bool) {
					if failing[config.Name] {
						yield(chat.Event{}, &upstream.Failure{Class: upstream.TooLarge})
						return
					}
					_ = yield(say(config.Name), nil) && yield(stop, nil)
				}
			}), nil
		},
	}, nil, slog.New(slog.DiscardHandler))
	names := []string{"heavy", "light", "spare"}
	var configs []upstream.Config
	for _, name := range names {
		configs = append(configs, upstream.Config{Name: name, Driver: "fake"})
	}
	all.Update(configs, []catalog.Route{{Name: "fast", Match: "fast", Targets: []catalog.RouteTarget{
		{Upstream: "heavy", Model: "m", Priority: 1, Weight: 3},
		{Upstream: "light", Model: "m", Priority: 1, Weight: 1},
		{Upstream: "spare", Model: "m", Priority: 2, Weight: 1},
	}}})
	r := New(Params{
		Catalog: all, Leases: pool, Prices: dear{}, Recorder: pool, Counter: pool, StatusOf: func(string, *chat.Error) int { return 500 },
		Replicas: func() int { return 1 }, Logger: slog.New(slog.DiscardHandler),
		Policy: func() Policy { return Policy{MaxAttempts: 1, Affinity: Conversations} },
	})
	traffic := func(n int, session func(int) string) map[string]int {
		answered := map[string]int{}
		for i := range n {
			request := newRequest()
			request.Model, request.Session = "fast", session(i)
			for event, err := range r.Chat(t.Context(), request, caller.Caller{}, lease.Choice{}) {
				if err != nil {
					t.Fatal(err)
				}
				if event.Text != "" {
					answered[event.Text]++
				}
			}
		}
		return answered
	}
	set := func(in map[string]bool, names ...string) func(bool) {
		return func(now bool) {
			for _, name := range names {
				in[name] = now
			}
		}
	}
	usual, second := map[string]float64{"heavy": 0.75, "light": 0.25}, map[string]float64{"spare": 1}
	for kind, session := range map[string]func(int) string{"single questions": func(int) string { return "" }, "conversations": strconv.Itoa} {
		for _, c := range []struct {
			name   string
			happen func(now bool)
			want   map[string]float64
		}{
			{"all is well", func(bool) {}, usual},
			{"the first priority fails", set(failing, "heavy", "light"), second},
			{"it is back", func(bool) {}, usual},
			{"its tokens rest", set(pool.resting, "heavy", "light"), second},
			{"one of it fails", set(failing, "heavy"), map[string]float64{"light": 1}},
			{"both are back", func(bool) {}, usual},
		} {
			n := 10_000
			if len(c.want) == 1 { // one answers all of them
				n = 200
			}
			c.happen(true)
			got := traffic(n, session)
			c.happen(false)
			for _, name := range names {
				if share := float64(got[name]) / float64(n); math.Abs(share-c.want[name]) > 0.02 {
					t.Errorf("%s, %s: %s answers %.3f, want %.3f", kind, c.name, name, share, c.want[name])
				}
			}
		}
	}
}
