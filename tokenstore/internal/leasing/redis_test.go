package leasing_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carousel.internal/proto/rpcerr"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/seal"
	"carousel.internal/tokenstore/internal/testredis"
	"carousel.internal/tokenstore/internal/token"
)

// silent is an Observer that nobody asks.
type silent struct{}

func (silent) SharedCause(string, string) {}

func (silent) Judged(string, string, string) {}

func (silent) Answered(string, bool, int, string, time.Duration) {}

// 30 clients of two replicas, 3 tokens, one request at a time on each: nobody
// is refused, and no token has two.
func TestThirtyClientsOnThreeTokens(t *testing.T) {
	t.Parallel()
	client := testredis.Patient(testredis.Start(t))
	keys, err := seal.Parse([]byte("k1 " + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	var desks []*leasing.Desk
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	for i := range 2 {
		store := redisstore.New(client, redisstore.Options{Keys: keys, Defaults: token.DefaultSettings(), Logger: log})
		desk := leasing.NewDesk(store, 2*time.Minute, silent{}, log)
		desks = append(desks, desk)
		running.Go(func() { desk.Run(ctx) })
		running.Go(func() {
			store.Listen(ctx, func(event redisstore.Event) {
				if event.Kind == redisstore.Freed {
					desk.Freed(event.Upstream)
				}
			})
		})
		if i == 0 {
			prepare(t, store)
		}
	}

	var busy sync.Map // token id to *atomic.Int32
	ask := func(desk *leasing.Desk) leasing.Answer {
		answers := make(chan leasing.Answer, 1)
		desk.Ask(leasing.Demand{Upstream: "u", Count: 1, Until: time.Now().Add(testredis.Timeout)}, func(answer leasing.Answer) bool {
			answers <- answer
			return true
		})
		return <-answers
	}
	request := func(desk *leasing.Desk) {
		answer := ask(desk)
		for answer.Refused != nil && answer.Refused.Reason == tokenstorev1.Reason_REASON_STORE_UNAVAILABLE && ctx.Err() == nil {
			answer = ask(desk) // Redis was kept from its work for longer than a desk waits
		}
		if answer.Refused != nil {
			t.Error(answer.Refused)
			return
		}
		lease := answer.Leases[0]
		counter, _ := busy.LoadOrStore(lease.TokenID, &atomic.Int32{})
		if n := counter.(*atomic.Int32).Add(1); n != 1 {
			t.Errorf("%d requests on %s", n, lease.TokenID)
		}
		if lease.Secret.Reveal() != "secret-of-"+lease.Alias {
			t.Errorf("%s has another token's secret", lease.Alias)
		}
		counter.(*atomic.Int32).Add(-1)
		settle := func() error {
			return desk.Settle(t.Context(), []leasing.Report{{LeaseRef: lease.LeaseRef, Outcome: tokenstorev1.Outcome_OUTCOME_SUCCESS}})
		}
		err := settle()
		for rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) && ctx.Err() == nil {
			err = settle() // as above
		}
		if err != nil {
			t.Error(err)
		}
	}
	var clients sync.WaitGroup
	for i := range 30 {
		clients.Go(func() {
			for range 10 {
				request(desks[i%2])
			}
		})
	}
	clients.Wait()
}

func prepare(t *testing.T, store *redisstore.Store) {
	t.Helper()
	if err := store.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := store.SeedUpstream(t.Context(), &tokenstorev1.Upstream{Name: "u", Driver: token.DriverOpenAI, BaseUrl: "https://example.com"}); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		draft := token.NewDraft(secret.New(fmt.Sprintf("secret-of-%d", i)))
		draft.Upstream, draft.Cap, draft.Alias = "u", 1, fmt.Sprint(i)
		if _, err := store.CreateToken(t.Context(), draft); err != nil {
			t.Fatal(err)
		}
	}
}
