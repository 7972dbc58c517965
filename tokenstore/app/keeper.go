package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"carousel.internal/tokenstore/internal/metrics"
	"carousel.internal/tokenstore/internal/redisstore"
)

const (
	// lookEvery is how often a store that works is looked at.
	lookEvery = time.Second
	// Bounds of the pause between attempts with one that doesn't.
	shortestPause = 50 * time.Millisecond
	longestPause  = 2 * time.Second
	// lookTimeout bounds one look, seedTimeout the first one's work.
	lookTimeout = 6 * time.Second
	seedTimeout = 2 * time.Minute
)

// keeper knows whether the store can be used, prepares it when it (re)appears,
// and tells everybody: the gRPC health service, /readyz, the metrics, the log.
type keeper struct {
	store  *redisstore.Store
	health *health.Server
	counts *metrics.Metrics
	seed   func(context.Context) error
	log    *slog.Logger

	seeded bool

	mu sync.Mutex
	// problem is why the store can't be used; nil when it can.
	problem error
}

func newKeeper(store *redisstore.Store, status *health.Server, counts *metrics.Metrics, seed func(context.Context) error, log *slog.Logger) *keeper {
	return &keeper{
		store: store, health: status, counts: counts, seed: seed, log: log,
		problem: errors.New("the store has not been looked at yet"),
	}
}

func (k *keeper) ready(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.problem
}

// run looks after the store until ctx ends.
func (k *keeper) run(ctx context.Context) {
	pause := shortestPause
	usable := false
	for ctx.Err() == nil {
		err := k.look(ctx, usable)
		if ctx.Err() != nil {
			return
		}
		usable = err == nil
		k.report(ctx, err)
		wait := lookEvery
		if !usable {
			wait, pause = pause, min(2*pause, longestPause)
		} else {
			pause = shortestPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// look asks a store that was usable whether it still is, and prepares any other.
func (k *keeper) look(ctx context.Context, usable bool) error {
	looking, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if usable {
		return k.store.Ping(looking)
	}
	if err := k.store.Prepare(looking); err != nil {
		return err
	}
	problem, err := k.store.Durable(looking)
	if err != nil {
		return err
	}
	k.counts.Store(true, problem == "")
	if k.seeded {
		return nil
	}
	seeding, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	err = k.seed(seeding)
	k.seeded = err == nil
	return err
}

// report makes the state known, and logs it when it is news.
func (k *keeper) report(ctx context.Context, err error) {
	k.mu.Lock()
	before := k.problem
	k.problem = err
	k.mu.Unlock()
	switch {
	case err == nil && before != nil:
		k.health.SetServingStatus("", healthv1.HealthCheckResponse_SERVING)
		k.log.LogAttrs(ctx, slog.LevelInfo, "store is usable")
	case err != nil:
		k.health.SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
		k.counts.Store(false, false)
		if before == nil || before.Error() != err.Error() {
			k.log.LogAttrs(ctx, slog.LevelWarn, "store can't be used; retrying", slog.Any("error", err))
		}
	}
}
