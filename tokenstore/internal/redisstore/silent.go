package redisstore

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// silentAfter is how long a primary of a Cluster has to be awaited to count as silent: a caller may have had less
	// time.
	silentAfter = 500 * time.Millisecond
	// probeTimeout bounds the question whether one that was silent is there again.
	probeTimeout = time.Second
)

// silent are the primaries of a Cluster that did not answer in time, by address. Of these nothing is asked in a batch,
// so that none waits for them, but whether they are there again, beside it.
type silent struct {
	mu sync.Mutex
	// probed has them; true: somebody is asking it now.
	probed map[string]bool
}

func (s *silent) note(primary *redis.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ask(primary)
}

// is tells whether a primary is silent, as far as is known.
func (s *silent) is(primary *redis.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, silent := s.probed[primary.Options().Addr]
	if silent {
		s.ask(primary)
	}
	return silent
}

// ask has somebody ask a primary whether it is there, unless somebody does. mu is held.
func (s *silent) ask(primary *redis.Client) {
	if s.probed == nil {
		s.probed = map[string]bool{}
	}
	if addr := primary.Options().Addr; !s.probed[addr] {
		s.probed[addr] = true
		go s.probe(primary, addr) // bounded by its timeout
	}
}

// probe asks a primary whether it is there. Any answer will do, also a refusal: then no call waits for it.
func (s *silent) probe(primary *redis.Client, addr string) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	err := primary.Ping(ctx).Err()
	s.mu.Lock()
	defer s.mu.Unlock()
	if timedOut(err) {
		s.probed[addr] = false
		return
	}
	delete(s.probed, addr)
}

// part is the calls of a batch that concern one primary; nil where none is known for them: sending tells why.
type part struct {
	primary *redis.Client
	calls   []*call
}

// byPrimary divides calls by the primaries of a Cluster that have their keys.
func byPrimary(ctx context.Context, cluster *redis.ClusterClient, calls []*call) map[string]*part {
	parts := map[string]*part{}
	for _, c := range calls {
		var primary *redis.Client
		addr := ""
		if len(c.keys) > 0 {
			if master, err := cluster.MasterForKey(ctx, c.keys[0]); err == nil {
				primary, addr = master, master.Options().Addr
			}
		}
		if parts[addr] == nil {
			parts[addr] = &part{primary: primary}
		}
		parts[addr].calls = append(parts[addr].calls, c)
	}
	return parts
}

// sendApart sends the calls to each primary by itself and waits half of the time that is left: else the client gives
// those of one that is silent, and all others, the same error, when the time is over.
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
			if part.primary != nil && b.silent.is(part.primary) {
				err = fmt.Errorf("the primary at %s is silent: %w", addr, context.DeadlineExceeded)
				for _, c := range part.calls {
					c.reply = c.script.refuse(ctx, err)
				}
			} else if err = send(ctx, part.calls); timedOut(err) && part.primary != nil && time.Since(began) >= silentAfter {
				b.silent.note(part.primary)
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
