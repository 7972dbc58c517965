// Package redisstore keeps tokens, settings, upstreams, leases and the request
// log in Redis. Every change is one Lua script, so that any number of
// tokenstores can work on one Redis; every clock is Redis's own. It knows
// nothing of gRPC or of files.
package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/seal"
)

// quarantinePatience is how long nothing is known of a token whose first request
// goes on. Upstreams refuse a bad token sooner; and a stream may take minutes, for
// which others should not wait.
const quarantinePatience = 2 * time.Second

// Store is safe for concurrent use. It does not own its client.
type Store struct {
	client   redis.UniversalClient
	keys     *seal.Keyring
	barrier  Barrier
	defaults *tokenstorev1.Settings
	log      *slog.Logger
	// rotation is the strategy of picks; nil: round robin.
	rotation atomic.Pointer[string]
	// patience is how long a new token's first request keeps others out.
	patience time.Duration

	credentials credentials
	homes       homes
	logs        *logView
}

// Options are what a Store works with.
type Options struct {
	// Keys seal the secrets.
	Keys *seal.Keyring
	// Barrier makes what has been written durable; nil takes NewBarrier's, which waits
	// for WaitReplicas replicas too.
	Barrier      Barrier
	WaitReplicas int
	// Defaults are the settings that the environment gives; stored overrides
	// win. Never changed.
	Defaults *tokenstorev1.Settings
	Logger   *slog.Logger
}

// New makes a Store. It does not talk to Redis yet: Prepare does.
func New(client redis.UniversalClient, options Options) *Store {
	if options.Barrier == nil {
		options.Barrier = NewBarrier(client, options.WaitReplicas)
	}
	return &Store{
		client: client, keys: options.Keys, barrier: options.Barrier,
		defaults: options.Defaults, log: options.Logger, logs: newLogView(), patience: quarantinePatience,
	}
}

// batch starts a round trip of several scripts.
func (s *Store) batch() *batch { return &batch{client: s.client} }

// Prepare makes a store fit for use: it claims an empty one for this schema
// version, moves the data of the version before and refuses any other. What it was
// interrupted in it goes on with when it is repeated. Repeat it after an outage: the
// server may be a different one.
func (s *Store) Prepare(ctx context.Context) error {
	if err := s.client.SetNX(ctx, schemaKey(), SchemaVersion, 0).Err(); err != nil {
		return storeError("check the schema version", err)
	}
	version, err := s.client.Get(ctx, schemaKey()).Result()
	if err != nil {
		return storeError("check the schema version", err)
	}
	if version == legacySchema {
		if err := s.migrate(ctx); err != nil {
			return err
		}
		version = SchemaVersion
	}
	if version != SchemaVersion {
		return &SchemaError{Stored: version}
	}
	return s.heal(ctx)
}

// Writable returns nil when every server that keeps something of the store takes
// writes and has saved what was written so far.
func (s *Store) Writable(ctx context.Context) error { return s.barrier.Sync(ctx) }

// Ping asks Redis whether it is there.
func (s *Store) Ping(ctx context.Context) error {
	return storeError("ping", s.client.Ping(ctx).Err())
}

// SchemaError says that the data in Redis is of a version that this program
// can't read.
type SchemaError struct{ Stored string }

func (e *SchemaError) Error() string {
	return fmt.Sprintf("Redis holds schema version %q, this tokenstore reads %q: use the tokenstore that wrote it, or another Redis",
		e.Stored, SchemaVersion)
}
