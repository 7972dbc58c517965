package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/health"

	"carousel.internal/tokenstore/internal/metrics"
)

// A Redis that says nothing makes the store unusable before the look at it has ended.
func TestSilentRedisIsNotReady(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	t.Cleanup(func() { _ = client.Close() })
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		k := newKeeper(nil, health.NewServer(), metrics.New(prometheus.NewRegistry(), client), nil, slog.New(slog.DiscardHandler))
		away, answers := errors.New("away"), make(chan error)
		look := func(context.Context) error { return <-answers }
		ended := make(chan error, 1)
		begin := func() {
			go func() { ended <- k.patiently(ctx, look) }()
		}
		begin()
		time.Sleep(time.Hour)
		if err := k.usable(ctx); err == nil || errors.Is(err, errSilent) {
			t.Errorf("before the first look has ended: %v", err) // it may have much to do
		}
		answers <- nil
		k.report(ctx, <-ended)

		begin()
		time.Sleep(lookPatience - time.Millisecond)
		if err := k.usable(ctx); err != nil {
			t.Errorf("while it may still answer: %v", err)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if err := k.usable(ctx); !errors.Is(err, errSilent) || k.health(ctx) == nil {
			t.Errorf("when it has been silent: %v", err)
		}
		answers <- away
		if err := <-ended; !errors.Is(err, away) {
			t.Errorf("the look ended with %v", err)
		}
	})
}

// Who asks whether the store is ready is not told for long what was known before a rest.
func TestAQuietStoreIsLookedAtWhenSomebodyAsks(t *testing.T) {
	client := redis.NewClient(&redis.Options{})
	t.Cleanup(func() { _ = client.Close() })
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(nil, health.NewServer(), metrics.New(prometheus.NewRegistry(), client), nil, slog.New(slog.DiscardHandler))
		for name, c := range map[string]struct{ asks, rests time.Duration }{
			"nobody":   {time.Hour, quietLookEvery},
			"somebody": {time.Millisecond, time.Millisecond},
		} {
			began := time.Now()
			asking := time.AfterFunc(c.asks, func() { _ = k.health(t.Context()) })
			k.restLonger(t.Context(), quietLookEvery)
			if rested := time.Since(began); rested != c.rests {
				t.Errorf("%s asks: rested for %v", name, rested)
			}
			asking.Stop()
		}
	})
}
