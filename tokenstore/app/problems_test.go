package app

import (
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/health"

	"carousel.internal/proto/service/ops"
	"carousel.internal/tokenstore/internal/metrics"
	"carousel.internal/tokenstore/internal/redisstore"
)

// Of a store that can't be used it is told why; of one that can, what is wrong with it.
func TestProblems(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	t.Cleanup(func() { _ = client.Close() })
	k := newKeeper(nil, health.NewServer(), metrics.New(prometheus.NewRegistry(), client), nil, slog.New(slog.DiscardHandler))
	store := &Tokenstore{keeper: k}
	expect := func(when string, want ...ops.Problem) {
		t.Helper()
		if got := store.Problems(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	k.report(t.Context(), nil)
	expect("when all is well")
	k.warn(t.Context(), []redisstore.Warning{{Kind: redisstore.Evicts, Text: "it evicts"}, {Kind: redisstore.NearlyFull, Text: "it is full"}})
	expect("when it serves", ops.Problem{Name: "evicts", Text: "it evicts"}, ops.Problem{Name: "nearly_full", Text: "it is full"})
	k.report(t.Context(), errors.New("away"))
	expect("when it does not", ops.Problem{Name: "store", Text: "the store can't be used: away"})
}
