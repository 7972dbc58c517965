// Package redisstore keeps tokens, client keys, settings, upstreams, routes, leases, responses and
// the request log in Redis. Every change is one Lua script, so that any number of
// tokenstores can work on one Redis; every clock is Redis's own. It knows
// nothing of gRPC or of files.
package redisstore

import (
	"context"
	"errors"
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
	barrier  markedBarrier
	defaults *tokenstorev1.Settings
	log      *slog.Logger
	// rotation is the strategy of picks; nil: round robin.
	rotation atomic.Pointer[string]
	// patience is how long a new token's first request keeps others out.
	patience time.Duration
	// responses bound what is kept of answers.
	responses ResponseBounds
	// useBounds bound what is kept of use.
	useBounds useBounds
	// mostBooks bounds the books of a key: see maxBooks.
	mostBooks int
	// errandHold is how long an errand stays in hand without word.
	errandHold time.Duration
	// reserveWait is how long what comes into a reserve is waited for to be saved.
	reserveWait time.Duration

	fence  fence
	rights *rights
	// instance is the mark of the data that this store has been prepared for; nil before.
	instance atomic.Pointer[string]
	// indexesRenewed: see renewIndexes.
	indexesRenewed atomic.Bool
	// deleted counts tokens that this store has deleted: see boundTrash.
	deleted atomic.Int64
	// sealed: the data had check values of their seal keys. Prepare's own.
	sealed bool
	// saved is when Writable last had everything saved. Its own.
	saved time.Time

	// logClient is of the log's Redis, which may be the same, and logBarrier of its disk.
	logClient  redis.UniversalClient
	logBarrier Barrier
	logFence   fence
	// logRun is which run of the log's server was looked at last; nil: it did not tell.
	logRun    atomic.Pointer[string]
	logRights *rights
	room      logRoom
	// space is how full the store's own Redis is.
	space logRoom

	// reservesAgain is when tokens are added to reserves again, in Unix ns, after what was
	// added could not be saved.
	reservesAgain atomic.Int64

	// upstreamsSeen are the names of the upstreams as they were listed last; nil before.
	upstreamsSeen atomic.Pointer[[]string]

	credentials credentials
	homes       homes
	logs        *logView
	used        *useView
	renewers    *renewers
	// errandsAway are pools that could not be reached. Of one that is back no errand is handed out
	// for as long as one stays in hand without word: who has one in hand is to say so before.
	errandsAway recent
	// silent are the primaries of a Cluster that did not answer in time.
	silent     silent
	knownKeys  knownKeys
	clientKeys *clientKeyView
	// prices are those that were read last; nil before.
	prices atomic.Pointer[tokenstorev1.Prices]
}

// Options are what a Store works with.
type Options struct {
	// Keys seal the secrets.
	Keys *seal.Keyring
	// Barrier makes what has been written durable; nil takes NewBarrier's, which waits
	// for WaitReplicas replicas too.
	Barrier      Barrier
	WaitReplicas int
	// Responses bound the answers that are kept.
	Responses ResponseBounds
	// Log is the client of the log's Redis; nil: it has none of its own.
	Log redis.UniversalClient
	// Defaults are the settings that the environment gives; stored overrides
	// win. Never changed.
	Defaults *tokenstorev1.Settings
	Logger   *slog.Logger
	// Scripts is told what scripts take; nil: nobody is, and no span is made of any.
	Scripts ScriptObserver
	// AwaitPrepare keeps every command from Redis until Prepare has found its data fit.
	AwaitPrepare bool
}

// New makes a Store. It does not talk to Redis yet: Prepare does.
func New(client redis.UniversalClient, options Options) *Store {
	if options.Barrier == nil {
		options.Barrier = NewBarrier(client, options.WaitReplicas)
	}
	store := &Store{
		client: client, keys: options.Keys,
		defaults: options.Defaults, log: options.Logger, logs: newLogView(), used: newUseView(), renewers: newRenewers(), patience: quarantinePatience, errandHold: ErrandHold, reserveWait: reserveWait,
		responses: options.Responses, clientKeys: newClientKeyView(), useBounds: mostUse, mostBooks: maxBooks,
	}
	store.barrier = markedBarrier{options.Barrier, store}
	store.logClient, store.logBarrier = client, store.barrier
	if options.Log != nil {
		store.logClient, store.logBarrier = options.Log, NewBarrier(options.Log, options.WaitReplicas)
	}
	if options.AwaitPrepare {
		store.logFence.close(errors.New("the log has not been looked at yet"))
		store.fence.close(errors.New("the store has not been looked at yet"))
	}
	client.AddHook(&store.fence)
	if options.Scripts != nil {
		client.AddHook(scriptWatch{options.Scripts})
		if options.Log != nil {
			options.Log.AddHook(scriptWatch{options.Scripts})
		}
	}
	store.rights = watchRights(client, rightsKeys(directoryPrefix), poolChannel)
	store.logRights = store.rights
	if options.Log != nil {
		store.logRights = watchRights(options.Log, rightsKeys(logPrefix), "")
	}
	return store
}

// Close ends what the store does by itself, before its clients are closed.
func (s *Store) Close() { s.silent.close() }

// batch starts a round trip of several scripts.
func (s *Store) batch() *batch { return &batch{client: s.client, silent: &s.silent} }

// Writable returns nil when every server that keeps something of the store takes
// writes and has saved what was written so far. A Redis within the process writes all of
// its data to save any: it is asked rarely as long as it does.
func (s *Store) Writable(ctx context.Context) error {
	if _, server := s.barrier.Barrier.(*ServerBarrier); !server && time.Since(s.saved) < saveAllEvery {
		return nil
	}
	err := s.barrier.Sync(throughFence(ctx))
	if err == nil {
		s.saved = time.Now()
	}
	return err
}

// saveAllEvery is how often Writable has a Redis within the process saved.
const saveAllEvery = 10 * time.Second

// Ping asks Redis whether it is there.
func (s *Store) Ping(ctx context.Context) error {
	return storeError("ping", s.client.Ping(ctx).Err())
}
