package redisstore

import (
	"context"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
)

// primary is one server that takes writes.
type primary struct {
	client redis.Cmdable
	// barrierKey is in one of its slots.
	barrierKey string
}

// maxBarrierTries bounds the search for a key in each server's slots: of 100 servers
// of equal size one is missed about once in 10^17.
const maxBarrierTries = 4000

// primariesOf finds the servers that take writes: the one, or all of a Cluster.
func primariesOf(ctx context.Context, client redis.UniversalClient) ([]primary, error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return []primary{{client, barrierKey(0)}}, nil
	}
	masters, err := mastersOf(ctx, cluster)
	if err != nil {
		return nil, storeError("find the primaries", err)
	}
	left := map[string]bool{}
	for _, master := range masters {
		left[master.Options().Addr] = true
	}
	var found []primary
	for n := 0; len(left) > 0 && n < maxBarrierTries; n++ {
		key := barrierKey(n)
		master, err := cluster.MasterForKey(ctx, key)
		if err != nil {
			return nil, storeError("find the primary of "+strconv.Quote(key), err)
		}
		if addr := master.Options().Addr; left[addr] {
			found = append(found, primary{master, key})
			delete(left, addr)
		}
	}
	return found, nil // a master without slots holds nothing of ours
}

// mastersOf are the primaries of a Cluster.
func mastersOf(ctx context.Context, cluster *redis.ClusterClient) ([]*redis.Client, error) {
	var mu sync.Mutex // ForEachMaster calls all at once
	var masters []*redis.Client
	err := cluster.ForEachMaster(ctx, func(_ context.Context, master *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		masters = append(masters, master)
		return nil
	})
	return masters, err
}
