package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Barrier makes writes durable.
type Barrier interface {
	// Sync answers when everything that was written before the call is on disk.
	Sync(ctx context.Context) error
}

// BarrierFunc is a function that is a Barrier.
type BarrierFunc func(context.Context) error

// Sync implements Barrier.
func (f BarrierFunc) Sync(ctx context.Context) error { return f(ctx) }

// syncTimeout bounds the wait for the disk. Redis in its everysec mode takes up
// to two seconds.
const syncTimeout = 4 * time.Second

// ServerBarrier is the Barrier of a Redis server.
//
// Where the server has WAITAOF (7.2), only those who need durability pay for it:
// appendfsync is `always` for the moment of the sync, so that it takes one fsync
// and not the rest of the second, and what it was before and after, so that
// leases cost none. WAITAOF holds the answer back should another tokenstore have
// set the policy back in between. If this process dies in that moment the server
// stays at `always`: slower, and as safe.
//
// Where it has not, `always` for the moment of the sync serves as well, as long
// as nobody else sets the policy back in that moment: a write that is answered
// under it is on disk, and with it all that came before. So the policy is set back
// when this is the only tokenstore that listens to the server, and stays at
// `always` while there are others.
//
// One sync serves all who wait for it, so that under load a disk is asked once
// for many writes.
type ServerBarrier struct {
	client redis.UniversalClient
	log    *slog.Logger
	shared sharedSync

	mu      sync.Mutex
	problem string
	// owed is the operator's policy while the server is left at `always`. Syncs run
	// one at a time, and only they use it. A node of a cluster knows only its own
	// listeners, so a cluster without WAITAOF stays at `always`.
	owed string
}

// NewBarrier makes the Barrier of a server.
func NewBarrier(client redis.UniversalClient, log *slog.Logger) *ServerBarrier {
	return &ServerBarrier{client: client, log: log}
}

// Sync implements Barrier. A server that is not set up for durability does not
// fail it: that is reported by Problem, and was the operator's choice.
func (b *ServerBarrier) Sync(ctx context.Context) error { return b.shared.do(ctx, b.syncAll) }

// Problem says why writes are not durable; empty when they are, as of the last Sync.
func (b *ServerBarrier) Problem() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.problem
}

func (b *ServerBarrier) syncAll(ctx context.Context) error {
	cluster, ok := b.client.(*redis.ClusterClient)
	if !ok {
		return b.syncOne(ctx, b.client, barrierKeys()[0])
	}
	for _, key := range barrierKeys() {
		master, err := cluster.MasterForKey(ctx, key)
		if err != nil {
			return storeError("find a master", err)
		}
		if err := b.syncOne(ctx, master, key); err != nil {
			return err
		}
	}
	return nil
}

const always = "always"

// syncOne asks one server.
func (b *ServerBarrier) syncOne(ctx context.Context, client redis.Cmdable, key string) error {
	settings, err := client.ConfigGet(ctx, "append*").Result()
	var refused redis.Error
	if err != nil && !errors.As(err, &refused) {
		return storeError(syncing, err)
	}
	if err == nil && settings["appendonly"] != "yes" {
		b.report("redis keeps no append-only file: a restart of it loses what was written; set appendonly yes")
		return nil
	}
	policy := settings["appendfsync"] // empty where CONFIG is forbidden or unknown
	hurry := policy != "" && policy != always
	waits, hurried, alone, err := flush(ctx, client, key, hurry)
	switch {
	case hurried && waits:
		b.setBack(ctx, client, policy)
	case hurried && !b.clustered():
		b.owed = policy
	}
	if b.owed != "" && alone {
		b.setBack(ctx, client, b.owed)
		b.owed = ""
	}
	switch {
	case err != nil && errors.As(err, &refused):
		b.report("redis does not wait for the disk: " + refused.Error())
		return nil
	case err != nil:
		return err
	case waits || policy == always:
		b.report("")
	case hurried:
		b.report("")
		if !alone {
			b.log.LogAttrs(ctx, slog.LevelInfo, "redis brings each write to disk while there are other tokenstores", slog.String("appendfsync", always), slog.String("was", policy))
		}
	default:
		b.report("redis has no WAITAOF and does not let appendfsync be set: what was written last may be lost; set appendonly yes and appendfsync always")
	}
	return nil
}

// syncing is what errors of a sync name.
const syncing = "make writes durable"

// flush brings everything written so far to disk; hurry sets the policy to always
// first. It tells whether the server can wait for its disk, whether the policy was
// set, and whether one tokenstore listens to the server: this one.
//
// WAITAOF waits for the writes of its own connection only, so it needs one of its
// own there: later than all that was acknowledged before, it is on disk only when
// they are.
func flush(ctx context.Context, client redis.Cmdable, key string, hurry bool) (waits, hurried, alone bool, err error) {
	pipe := client.Pipeline()
	var set *redis.StatusCmd
	if hurry {
		set = pipe.ConfigSet(ctx, "appendfsync", always)
	}
	write := pipe.Incr(ctx, key)
	listeners := pipe.PubSubNumSub(ctx, poolChannel)
	wait := pipe.Do(ctx, "WAITAOF", 1, 0, syncTimeout.Milliseconds())
	_, _ = pipe.Exec(ctx) // each command has its own error
	hurried = hurry && set.Err() == nil
	alone = listeners.Err() == nil && listeners.Val()[poolChannel] == 1
	if err := write.Err(); err != nil {
		return false, hurried, alone, storeError(syncing, err)
	}
	acknowledged, err := wait.Int64Slice()
	switch {
	case err != nil && redis.HasErrorPrefix(err, "unknown command"):
		return false, hurried, alone, nil
	case err != nil:
		return true, hurried, alone, storeError(syncing, err)
	case len(acknowledged) == 0 || acknowledged[0] < 1:
		return true, hurried, alone, storeError(syncing, fmt.Errorf("not on disk after %v: %w", syncTimeout, context.DeadlineExceeded))
	}
	return true, hurried, alone, nil
}

func (b *ServerBarrier) clustered() bool {
	_, cluster := b.client.(*redis.ClusterClient)
	return cluster
}

// setBack returns to the operator's policy, also when the caller has no time left.
func (b *ServerBarrier) setBack(ctx context.Context, client redis.Cmdable, policy string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := client.ConfigSet(ctx, "appendfsync", policy).Err(); err != nil {
		b.log.LogAttrs(ctx, slog.LevelWarn, "redis may bring each write to disk from now on", slog.String("appendfsync", always),
			slog.String("was", policy), slog.Any("error", err))
	}
}

// report keeps what is wrong, and logs it when it changes.
func (b *ServerBarrier) report(problem string) {
	b.mu.Lock()
	changed := problem != b.problem
	b.problem = problem
	b.mu.Unlock()
	if changed && problem != "" {
		b.log.Warn("redis writes are not durable", "problem", problem)
	}
}

// sharedSync lets callers that wait at the same time share one sync. One that
// has begun is no use to a newcomer, whose write may have come too late for it:
// newcomers gather for the next.
type sharedSync struct {
	mu      sync.Mutex
	running *round
	next    *round
}

type round struct {
	done chan struct{}
	err  error
}

func (s *sharedSync) do(ctx context.Context, sync func(context.Context) error) error {
	s.mu.Lock()
	if mine := s.next; mine != nil {
		s.mu.Unlock()
		select {
		case <-mine.done:
			return mine.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	mine, before := &round{done: make(chan struct{})}, s.running
	s.next = mine
	s.mu.Unlock()
	if before != nil {
		<-before.done // bounded: it runs with a deadline
	}
	s.mu.Lock()
	s.next, s.running = nil, mine
	s.mu.Unlock()
	// The leader stays for the others even when its own caller has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), syncTimeout+time.Second)
	defer cancel()
	mine.err = sync(ctx)
	close(mine.done)
	return mine.err
}
