package redisstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Barrier makes writes durable.
type Barrier interface {
	// Sync returns when everything that was written before the call is on disk.
	Sync(ctx context.Context) error
}

// BarrierFunc is a function that is a Barrier.
type BarrierFunc func(context.Context) error

// Sync implements Barrier.
func (f BarrierFunc) Sync(ctx context.Context) error { return f(ctx) }

const (
	// syncTimeout bounds the wait for the disk. Redis in its everysec mode takes up
	// to two seconds.
	syncTimeout = 4 * time.Second
	// replicaTimeout bounds the wait for replicas.
	replicaTimeout = 2 * time.Second
)

// ServerBarrier is the Barrier of a Redis server, of its replicas where that is
// wanted, and of every primary of a Cluster.
//
// A sync writes a key of its own and waits for that write: it comes after all that
// was acknowledged before, so it is on disk, or on a replica, only when they are.
// Where the server has WAITAOF (7.2), the wait is for its disk. Where it has not,
// what the server is configured to do holds, and Store.Inspect tells what that is:
// nobody's configuration is changed.
//
// Any error fails a sync, because only an answer proves anything: a server that
// has moved, is full or read-only has not saved what it was sent.
//
// One sync serves all who wait for it, so that under load a disk is asked once
// for many writes.
type ServerBarrier struct {
	client   redis.UniversalClient
	replicas int
	shared   sharedSync
	waits    atomic.Bool
}

// NewBarrier makes the Barrier of a server. replicas is how many replicas must have
// received a write before it counts as saved.
func NewBarrier(client redis.UniversalClient, replicas int) *ServerBarrier {
	return &ServerBarrier{client: client, replicas: replicas}
}

// Sync implements Barrier.
func (b *ServerBarrier) Sync(ctx context.Context) error { return b.shared.do(ctx, b.syncAll) }

// Waits tells whether the last Sync could wait for the disk, which is up to the
// server's version and the rights of its user.
func (b *ServerBarrier) Waits() bool { return b.waits.Load() }

// Durability says when a write counts as saved, as of the last Sync.
func (b *ServerBarrier) Durability() string {
	text := "what is saved is as safe as Redis's own configuration makes it: the server has no WAITAOF"
	if b.Waits() {
		text = "what is saved waits for the server's disk (WAITAOF)"
	}
	if b.replicas > 0 {
		text += fmt.Sprintf(", and for %d replicas (WAIT)", b.replicas)
	}
	return text
}

func (b *ServerBarrier) syncAll(ctx context.Context) error {
	primaries, err := primariesOf(ctx, b.client)
	if err != nil {
		return err
	}
	waits := true
	for _, primary := range primaries {
		waited, err := b.syncOne(ctx, primary)
		if err != nil {
			return err
		}
		waits = waits && waited
	}
	b.waits.Store(waits)
	return nil
}

const syncing = "make writes durable"

// syncOne brings everything that one server has been sent to its disk and its
// replicas. It tells whether the server can wait for its disk.
//
// WAIT and WAITAOF look at the writes of their own connection only, which a
// pipeline shares.
func (b *ServerBarrier) syncOne(ctx context.Context, server primary) (waits bool, err error) {
	pipe := server.client.Pipeline()
	write := pipe.Incr(ctx, server.barrierKey)
	var copies *redis.Cmd
	if b.replicas > 0 {
		copies = pipe.Do(ctx, "WAIT", b.replicas, replicaTimeout.Milliseconds())
	}
	wait := pipe.Do(ctx, "WAITAOF", 1, 0, syncTimeout.Milliseconds())
	_ = sendEach(ctx, pipe) // each command has its own error
	if err := write.Err(); err != nil {
		return false, storeError(syncing, err)
	}
	if copies != nil {
		got, err := copies.Int()
		if err != nil {
			return false, storeError(syncing, err)
		}
		if got < b.replicas {
			return false, notSaved("%d of %d Redis replicas have what was written (REDIS_WAIT_REPLICAS)", got, b.replicas)
		}
	}
	acknowledged, err := wait.Int64Slice()
	switch {
	case err != nil && cannotWait(err):
		return false, nil
	case err != nil:
		return false, storeError(syncing, err)
	case len(acknowledged) == 0 || acknowledged[0] < 1:
		return false, notSaved("Redis has not brought what was written to its disk within %v", syncTimeout)
	}
	return true, nil
}

// cannotWait tells an error of a server that is not able to wait for its disk, or
// does not let this user do so, from one of a wait that failed.
func cannotWait(err error) bool {
	for _, prefix := range []string{"unknown command", "NOPERM", "WAITAOF cannot be used when numlocal is set"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

func notSaved(format string, args ...any) error {
	return &rpcerr.Error{
		Reason:  tokenstorev1.Reason_REASON_STORE_UNAVAILABLE,
		Message: "not known to be saved: " + fmt.Sprintf(format, args...), RetryAfter: time.Second,
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replicaTimeout+syncTimeout+time.Second)
	defer cancel()
	mine.err = sync(ctx)
	close(mine.done)
	return mine.err
}
