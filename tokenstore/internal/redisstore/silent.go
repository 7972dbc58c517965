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
	// silentAfter is how long a primary of a Cluster has to be awaited to count as silent: a caller
	// may have had less time.
	silentAfter = 500 * time.Millisecond
	// probeTimeout bounds the question whether one that was silent is there again.
	probeTimeout = time.Second
)

// errSilent is why a primary was not asked.
var errSilent = errors.New("it is silent")

// silent are the primaries of a Cluster that did not answer in time, by address. Of these nothing
// is asked but whether they are there again, so that nobody waits for them.
type silent struct {
	mu sync.Mutex
	// probed has them; true: somebody is asking it now.
	probed map[string]bool
}

// await has a primary asked, unless it is silent, in half of the time that is left: who asks is to
// have time for others then. Of one that is nil nothing is known.
func (s *silent) await(ctx context.Context, primary *redis.Client, ask func(context.Context) error) error {
	if deadline, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	if primary == nil {
		return ask(ctx)
	}
	if s.is(primary) {
		return fmt.Errorf("the primary at %s: %w: %w", primary.Options().Addr, errSilent, context.DeadlineExceeded)
	}
	began := time.Now()
	err := ask(ctx)
	if timedOut(err) && time.Since(began) >= silentAfter {
		s.note(primary)
	}
	return err
}

func (s *silent) note(primary *redis.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probe(primary)
}

// is tells whether a primary is silent, as far as is known.
func (s *silent) is(primary *redis.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, silent := s.probed[primary.Options().Addr]
	if silent {
		s.probe(primary)
	}
	return silent
}

// probe has somebody ask a primary whether it is there, unless somebody does. Any answer will do,
// also a refusal: then nobody waits for it. mu is held.
func (s *silent) probe(primary *redis.Client) {
	if s.probed == nil {
		s.probed = map[string]bool{}
	}
	addr := primary.Options().Addr
	if s.probed[addr] {
		return
	}
	s.probed[addr] = true
	go func() {
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
	}()
}

// part is the calls of a batch that concern one primary; nil where none is known for them: sending
// tells why.
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

// sendApart sends the calls to each primary by itself: else the client gives those of one that is
// silent, and all others, the same error, when the time is over.
func (b *batch) sendApart(ctx context.Context, cluster *redis.ClusterClient, calls []*call, send func(context.Context, []*call) error) error {
	var sending sync.WaitGroup
	var mu sync.Mutex
	var first error
	for _, part := range byPrimary(ctx, cluster, calls) {
		sending.Go(func() {
			err := b.silent.await(ctx, part.primary, func(ctx context.Context) error { return send(ctx, part.calls) })
			if errors.Is(err, errSilent) {
				for _, c := range part.calls {
					c.reply = c.script.refuse(ctx, err)
				}
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

// await asks the server that has a key; of a Cluster as [silent.await] does.
func (s *Store) await(ctx context.Context, key string, ask func(context.Context) error) error {
	cluster, is := s.client.(*redis.ClusterClient)
	if !is {
		return ask(ctx)
	}
	primary, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		primary = nil // asking tells why
	}
	return s.silent.await(ctx, primary, ask)
}
