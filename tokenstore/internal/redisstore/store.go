// Package redisstore keeps tokens, settings, upstreams, leases and the request
// log in Redis. Every change is one Lua script, so that any number of
// tokenstores can work on one Redis; every clock is Redis's own. It knows
// nothing of gRPC or of files.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
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
	logs        *logView
}

// Options are what a Store works with.
type Options struct {
	// Keys seal the secrets.
	Keys *seal.Keyring
	// Barrier makes what has been written durable; nil takes NewBarrier's.
	Barrier Barrier
	// Defaults are the settings that the environment gives; stored overrides
	// win. Never changed.
	Defaults *tokenstorev1.Settings
	Logger   *slog.Logger
}

// New makes a Store. It does not talk to Redis yet: Prepare does.
func New(client redis.UniversalClient, options Options) *Store {
	if options.Barrier == nil {
		options.Barrier = NewBarrier(client, options.Logger)
	}
	return &Store{
		client: client, keys: options.Keys, barrier: options.Barrier,
		defaults: options.Defaults, log: options.Logger, logs: newLogView(), patience: quarantinePatience,
	}
}

// batch starts a round trip of several scripts.
func (s *Store) batch() *batch { return &batch{client: s.client} }

// Prepare makes a store fit for use: it claims an empty one for this schema
// version and refuses one of another version. Repeat it after an outage: the
// server may be a different one.
func (s *Store) Prepare(ctx context.Context) error {
	if err := s.client.SetNX(ctx, schemaKey(), SchemaVersion, 0).Err(); err != nil {
		return storeError("check the schema version", err)
	}
	version, err := s.client.Get(ctx, schemaKey()).Result()
	if err != nil {
		return storeError("check the schema version", err)
	}
	if version != SchemaVersion {
		return &SchemaError{Stored: version}
	}
	return nil
}

// Durable waits until everything written so far is on disk. It answers why
// writes are not durable at all where that is known, which is no error.
func (s *Store) Durable(ctx context.Context) (problem string, err error) {
	if err := s.barrier.Sync(ctx); err != nil {
		return "", err
	}
	if server, ok := s.barrier.(*ServerBarrier); ok {
		return server.Problem(), nil
	}
	return "", nil
}

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

// storeError turns what the client library answers into STORE_UNAVAILABLE where
// Redis could not be reached or is not able to serve, and says during what.
// Other errors are bugs, and stay plain.
func storeError(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	err = fmt.Errorf("%s: %w", doing, err)
	if !unavailable(err) {
		return err
	}
	return &rpcerr.Error{
		Reason: tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, Message: "the store can't be reached",
		RetryAfter: time.Second, Err: err,
	}
}

// notServing are the error replies of a Redis that is starting, replicating,
// failing over or unable to persist.
var notServing = []string{"LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "MISCONF", "NOREPLICAS", "BUSY", "OOM"}

func unavailable(err error) bool {
	for _, prefix := range notServing {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	var reply redis.Error
	if errors.As(err, &reply) {
		return false
	}
	var network net.Error
	return errors.As(err, &network) || slices.ContainsFunc(connectionLost, func(lost error) bool { return errors.Is(err, lost) })
}

// connectionLost are the errors of a connection that ended, or was never had,
// which are not net.Errors.
var connectionLost = []error{io.EOF, io.ErrUnexpectedEOF, redis.ErrClosed, redis.ErrPoolTimeout, redis.ErrPoolExhausted}
