package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// silentFor is how long nothing more is asked of a primary of a Cluster, in a batch, that was
	// silent.
	silentFor = time.Second
	// silentAfter is how long it has to be awaited to count as silent: a caller may have had less
	// time.
	silentAfter = 500 * time.Millisecond
)

// byPrimary divides calls by the primaries of a Cluster that have their keys. Where one can't be
// found the address is empty: sending tells why.
func byPrimary(ctx context.Context, cluster *redis.ClusterClient, calls []*call) map[string][]*call {
	parts := map[string][]*call{}
	for _, c := range calls {
		addr := ""
		if len(c.keys) > 0 {
			if master, err := cluster.MasterForKey(ctx, c.keys[0]); err == nil {
				addr = master.Options().Addr
			}
		}
		parts[addr] = append(parts[addr], c)
	}
	return parts
}

// sendApart sends the calls to each primary by itself and waits half of the time that is left: else
// the client gives those of one that is silent, and all others, the same error, when the time is
// over.
func (b *batch) sendApart(ctx context.Context, cluster *redis.ClusterClient, calls []*call, send func(context.Context, []*call) error) error {
	if deadline, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	var sending sync.WaitGroup
	var mu sync.Mutex
	var first error
	began := time.Now()
	for addr, part := range byPrimary(ctx, cluster, calls) {
		sending.Go(func() {
			var err error
			if b.silent.within(addr, silentFor) {
				err = fmt.Errorf("the primary at %s was silent a moment ago: %w", addr, context.DeadlineExceeded)
				for _, c := range part {
					c.reply = c.script.refuse(ctx, err)
				}
			} else if err = send(ctx, part); err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && time.Since(began) >= silentAfter {
				b.silent.note(addr)
			}
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = err
			}
		})
	}
	sending.Wait()
	return first
}
