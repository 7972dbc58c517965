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

// ServerBarrier is the Barrier of a Redis server: WAITAOF where the server has
// it (7.2), else `appendfsync always`, which it sets when it finds anything
// else. Only those who need durability wait: with WAITAOF leases cost no fsync.
//
// One sync serves all who wait for it, so that under load a disk is asked once
// for many writes.
type ServerBarrier struct {
	client redis.UniversalClient
	log    *slog.Logger
	shared sharedSync

	mu      sync.Mutex
	problem string
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

// syncOne asks one server. WAITAOF waits for the writes of its own connection
// only, so it needs one of its own there: later than all that was acknowledged
// before, it is on disk only when they are.
func (b *ServerBarrier) syncOne(ctx context.Context, client redis.Cmdable, key string) error {
	pipe := client.Pipeline()
	write := pipe.Incr(ctx, key)
	wait := pipe.Do(ctx, "WAITAOF", 1, 0, syncTimeout.Milliseconds())
	settings := pipe.ConfigGet(ctx, "append*")
	_, _ = pipe.Exec(ctx) // each command has its own error
	if err := write.Err(); err != nil {
		return storeError("make writes durable", err)
	}
	acknowledged, err := wait.Int64Slice()
	if err != nil && redis.HasErrorPrefix(err, "unknown command") {
		return b.syncByPolicy(ctx, client, key, settings)
	}
	var refused redis.Error
	switch {
	case errors.As(err, &refused): // the append-only file is off, or WAITAOF is forbidden
		b.report("redis does not confirm that writes are durable: " + refused.Error())
		return nil
	case err != nil:
		return storeError("make writes durable", err)
	case len(acknowledged) == 0 || acknowledged[0] < 1:
		return storeError("make writes durable", fmt.Errorf("not on disk after %v: %w", syncTimeout, context.DeadlineExceeded))
	}
	b.report("")
	return nil
}

// syncByPolicy is for servers without WAITAOF: under `appendfsync always` a
// write that was answered is on disk.
func (b *ServerBarrier) syncByPolicy(ctx context.Context, client redis.Cmdable, key string, asked *redis.MapStringStringCmd) error {
	settings, err := asked.Result()
	var refused redis.Error
	switch {
	case errors.As(err, &refused):
		b.report("redis has neither WAITAOF nor CONFIG: it can't be known whether writes are durable; set appendonly yes and appendfsync always")
		return nil
	case err != nil:
		return storeError("make writes durable", err)
	case settings["appendonly"] != "yes":
		b.report("redis keeps no append-only file: a restart of it loses what was written; set appendonly yes")
		return nil
	case settings["appendfsync"] == "always":
		b.report("")
		return nil
	}
	if err := client.ConfigSet(ctx, "appendfsync", "always").Err(); errors.As(err, &refused) {
		b.report("redis may lose the last second of writes, and appendfsync can't be changed: " + refused.Error())
		return nil
	} else if err != nil {
		return storeError("make writes durable", err)
	}
	b.log.InfoContext(ctx, "redis writes are durable now", "appendfsync", "always", "was", settings["appendfsync"])
	b.report("")
	// Flushes, with itself, what was written under the old policy.
	return storeError("make writes durable", client.Incr(ctx, key).Err())
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
