package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"carousel.internal/proto/service/ops"
	"carousel.internal/tokenstore/internal/metrics"
	"carousel.internal/tokenstore/internal/redisstore"
)

const (
	// lookEvery is how often a store that works is looked at, and quietLookEvery how often while
	// nobody asks for leases, nor whether it is ready.
	lookEvery      = time.Second
	quietLookEvery = 3 * time.Second
	// Bounds of the pause between attempts with one that doesn't.
	shortestPause = 50 * time.Millisecond
	longestPause  = 2 * time.Second
	// startPatience is how long the first callers wait, not yet accepted, for the first
	// look: without it they would hear of a store that is away.
	startPatience = 2 * time.Second
	// lookTimeout bounds one look, which waits for the disk and maybe for replicas;
	// seedTimeout bounds the first one's work.
	lookTimeout = 8 * time.Second
	// lookPatience is how long a store that could be used may take for a look until it
	// counts as one that can't: Redis in its everysec mode takes up to two seconds.
	lookPatience = 3 * time.Second
	seedTimeout  = 2 * time.Minute
)

// keeper knows whether the store can be used, prepares it when it (re)appears,
// and tells everybody: the gRPC health service, /readyz, the metrics, the log.
type keeper struct {
	store  *redisstore.Store
	status *health.Server
	counts *metrics.Metrics
	seed   func(context.Context) error
	log    *slog.Logger
	// quiet tells whether nobody asks for leases. asked has a value once somebody has asked
	// whether the store is ready.
	quiet func() bool
	asked chan struct{}

	seeded bool
	// looked is closed when the store has been looked at.
	looked     chan struct{}
	lookedOnce sync.Once
	// durability says when a write counts as saved. run's own.
	durability string

	mu sync.Mutex
	// problem is why the store can't be used; nil when it can.
	problem error
	// warnings are what is wrong with a store that can be used.
	warnings []redisstore.Warning
}

func newKeeper(store *redisstore.Store, status *health.Server, counts *metrics.Metrics, seed func(context.Context) error, log *slog.Logger) *keeper {
	return &keeper{
		store: store, status: status, counts: counts, seed: seed, log: log,
		quiet: func() bool { return false }, asked: make(chan struct{}, 1), looked: make(chan struct{}), problem: errors.New("the store has not been looked at yet"),
	}
}

// awaitLook waits until the store has been looked at, for a moment.
func (k *keeper) awaitLook(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-k.looked:
	}
}

// usable returns nil when the store can be used, else why not.
func (k *keeper) usable(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.problem
}

// known returns what is wrong with a store that can be used.
func (k *keeper) known() []redisstore.Warning {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.warnings
}

// health is usable, and of a store that serves, though not as it should, the warnings.
func (k *keeper) health(context.Context) error {
	select {
	case k.asked <- struct{}{}:
	default:
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.problem != nil || len(k.warnings) == 0 {
		return k.problem
	}
	texts := make([]string, len(k.warnings))
	for i, warning := range k.warnings {
		texts[i] = warning.Text
	}
	return ops.Degraded(strings.Join(texts, "; "))
}

// run looks after the store until ctx ends.
func (k *keeper) run(ctx context.Context) {
	pause := shortestPause
	for ctx.Err() == nil {
		err := k.patiently(ctx, k.look)
		if ctx.Err() != nil {
			return
		}
		k.report(ctx, err)
		wait := lookEvery
		if err != nil {
			wait, pause = pause, min(2*pause, longestPause)
		} else {
			pause = shortestPause
		}
		k.rest(ctx, wait)
		if err == nil && k.quiet() {
			k.restLonger(ctx, quietLookEvery-lookEvery)
		}
	}
}

func (k *keeper) rest(ctx context.Context, wait time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	}
}

// restLonger is rest until somebody asks whether the store is ready.
func (k *keeper) restLonger(ctx context.Context, wait time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(wait):
	case <-k.asked:
	}
}

// errSilent says that nothing has been heard of Redis for too long.
var errSilent = fmt.Errorf("Redis has not answered for %v", lookPatience) //nolint:staticcheck // begins with a name

// patiently has the store looked at. When that takes too long, a store that could be used
// until now can't be any more.
func (k *keeper) patiently(ctx context.Context, look func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- look(ctx) }()
	patience := time.NewTimer(lookPatience)
	defer patience.Stop()
	select {
	case err := <-done:
		return err
	case <-patience.C:
	}
	if k.usable(ctx) == nil {
		k.report(ctx, errSilent)
	}
	return <-done
}

// look finds out whether the store can be used. One that was, and of whose servers some can't be
// reached now, still can: the pools on the others are served.
func (k *keeper) look(ctx context.Context) error {
	err := k.lookAtAll(ctx)
	if err == nil || !k.seeded || ctx.Err() != nil {
		return err
	}
	text := k.store.PartlyAway(ctx)
	if text == "" {
		return err
	}
	k.warn(ctx, []redisstore.Warning{{Kind: redisstore.PartlyAway, Text: text}})
	return nil
}

// lookAtAll finds out whether all of the store can be used: its data are fit, it takes writes and
// saves them.
func (k *keeper) lookAtAll(ctx context.Context) error {
	looking, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if err := k.store.Prepare(looking); err != nil {
		return err
	}
	if err := k.store.Writable(looking); err != nil {
		return err
	}
	found, err := k.store.Inspect(looking)
	if err != nil {
		return err
	}
	k.lookAtLog(ctx, &found)
	k.warn(ctx, found.Warnings)
	for _, use := range found.Uses {
		k.counts.RedisUses(use.Of, use.Used, use.Most, use.Appended)
	}
	k.durability = found.Durability
	if k.seeded {
		return nil
	}
	seeding, cancel := context.WithTimeout(ctx, seedTimeout)
	defer cancel()
	err = k.seed(seeding)
	k.seeded = err == nil
	return err
}

// lookAtLog finds out whether the log can be used, which is nothing that leases wait for.
func (k *keeper) lookAtLog(ctx context.Context, found *redisstore.Inspection) {
	looking, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if err := k.store.PrepareLog(looking); err != nil {
		found.Warnings = append(found.Warnings, redisstore.Warning{
			Kind: redisstore.LogAway, Text: "the request log waits: " + err.Error(),
		})
	}
}

// warn keeps the warnings, and logs those that are news.
func (k *keeper) warn(ctx context.Context, warnings []redisstore.Warning) {
	k.mu.Lock()
	before := k.warnings
	k.warnings = warnings
	k.mu.Unlock()
	of := func(kind redisstore.WarningKind) func(redisstore.Warning) bool {
		return func(w redisstore.Warning) bool { return w.Kind == kind }
	}
	for _, kind := range redisstore.WarningKinds() {
		k.counts.StoreWarning(string(kind), slices.ContainsFunc(warnings, of(kind)))
	}
	for _, warning := range warnings {
		if !slices.ContainsFunc(before, of(warning.Kind)) {
			k.log.LogAttrs(ctx, slog.LevelWarn, "store serves, but not as it should", slog.String("kind", string(warning.Kind)), slog.String("problem", warning.Text))
		}
	}
	k.counts.Store(true, !slices.ContainsFunc(warnings, of(redisstore.NotDurable)))
}

// know notes the state for all who ask, in whichever way, at one moment, and returns the one
// before.
func (k *keeper) know(problem error) (before error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before, k.problem = k.problem, problem
	switch {
	case problem != nil:
		k.status.SetServingStatus("", healthv1.HealthCheckResponse_NOT_SERVING)
	case before != nil:
		k.status.SetServingStatus("", healthv1.HealthCheckResponse_SERVING)
	}
	return before
}

// report makes the state known, and logs it when it is news.
func (k *keeper) report(ctx context.Context, err error) {
	before := k.know(err)
	k.lookedOnce.Do(func() { close(k.looked) })
	switch {
	case err == nil && before != nil:
		k.log.LogAttrs(ctx, slog.LevelInfo, "store is usable", slog.String("durability", k.durability))
	case err != nil:
		k.counts.Store(false, false)
		if before == nil || before.Error() != err.Error() {
			k.log.LogAttrs(ctx, slog.LevelWarn, "store can't be used; retrying", slog.Any("error", err))
		}
	}
}
