package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/ledger"
	"carousel.internal/tokenstore/internal/token"
)

// Of a Cluster one primary can be away alone. What concerns one pool then fails for that pool, and
// nothing that the requests of another pool need may wait for it.

// spread tells whether what is in different slots may be on different servers.
func (s *Store) spread() bool {
	_, cluster := s.client.(*redis.ClusterClient)
	return cluster
}

// partAway tells whether the error means that one of several servers can't be reached.
func (s *Store) partAway(err error) bool {
	return s.spread() && s.fence.closed.Load() == nil && rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE)
}

// poolError is storeError for what concerns the pool of one upstream.
func (s *Store) poolError(upstream, doing string, err error) error {
	err = storeError(doing, err)
	if s.partAway(err) {
		return &leasing.PoolAway{Upstream: upstream, Err: err}
	}
	return err
}

// ledgerError is storeError for what concerns one client key.
func (s *Store) ledgerError(doing string, err error) error {
	err = storeError(doing, err)
	if s.partAway(err) {
		return &ledger.Away{Err: err}
	}
	return err
}

// deferred adds to what is deferred where the error is of a pool that is away, and returns any
// other.
func deferred(to *leasing.Deferred, err error, leases ...leasing.LeaseRef) error {
	if away, is := errors.AsType[*leasing.PoolAway](err); is {
		to.Add(away, leases...)
		return nil
	}
	return err
}

// Locate tells in which pool a token is: who has had a lease of it knows. So nothing has to be
// looked up in the directory, which may be away.
func (s *Store) Locate(tokenID, upstream string) {
	if upstream == "" {
		return
	}
	if _, known := s.homes.get(tokenID); !known && tokenIDForm.MatchString(tokenID) && token.CheckUpstreamName(upstream) == nil {
		s.homes.put(tokenID, upstream)
	}
}

// upstreamNames are the upstreams that there are; while the directory of a Cluster is away, those
// that there were last.
func (s *Store) upstreamNames(ctx context.Context) ([]string, error) {
	names, err := await(ctx, s, upstreamsKey(), func(ctx context.Context) ([]string, error) {
		return s.client.HKeys(ctx, upstreamsKey()).Result()
	})
	if err = storeError("list upstreams", err); err == nil {
		s.upstreamsSeen.Store(&names)
		return names, nil
	}
	if seen := s.upstreamsSeen.Load(); seen != nil && s.partAway(err) {
		return slices.Clone(*seen), nil
	}
	return nil, err
}

// awayTimeout bounds the question whether a primary is there.
const awayTimeout = time.Second

// PartlyAway says which primaries of a Cluster do not answer, where others do; empty: none, or all,
// or it is no Cluster.
func (s *Store) PartlyAway(ctx context.Context) string {
	cluster, is := s.client.(*redis.ClusterClient)
	if !is || s.fence.closed.Load() != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, awayTimeout)
	defer cancel()
	var mu sync.Mutex // ForEachMaster calls all at once
	var away []string
	primaries := 0
	_ = cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		err := master.Ping(ctx).Err()
		mu.Lock()
		defer mu.Unlock()
		primaries++
		if err != nil {
			away = append(away, master.Options().Addr)
		}
		return nil
	})
	if len(away) == 0 || len(away) == primaries {
		return ""
	}
	slices.Sort(away)
	return fmt.Sprintf("of the %d primaries of the Redis Cluster %d can't be reached (%s): pools that are there are served from the gateways' reserves, and what is saved waits; "+
		"see that each primary has a replica, and that cluster-require-full-coverage is no", primaries, len(away), strings.Join(away, ", "))
}
