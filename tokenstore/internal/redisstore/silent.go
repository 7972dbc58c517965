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
	// probeTimeout bounds the question whether one that was silent is there again, and probePause is
	// the time until the next one.
	probeTimeout = time.Second
	probePause   = 100 * time.Millisecond
)

// errSilent is why a primary was not asked.
var errSilent = errors.New("it is silent")

// silent are the primaries of a Cluster that did not answer in time, by address. Of these nothing
// is asked but whether they are there again, so that nobody waits for them.
type silent struct {
	mu sync.Mutex
	// probers has what ends the prober of each.
	probers map[string]context.CancelFunc
	probing sync.WaitGroup
	closed  bool
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

// note has a primary count as silent until it answers.
func (s *silent) note(primary *redis.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	addr := primary.Options().Addr
	if s.closed || s.probers[addr] != nil {
		return
	}
	if s.probers == nil {
		s.probers = map[string]context.CancelFunc{}
	}
	ctx, end := context.WithCancel(context.Background())
	s.probers[addr] = end
	s.probing.Go(func() {
		defer end()
		probe(ctx, primary)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.probers, addr)
	})
}

// is tells whether a primary is silent, as far as is known.
func (s *silent) is(primary *redis.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.probers[primary.Options().Addr] != nil
}

// close ends the probers.
func (s *silent) close() {
	s.mu.Lock()
	s.closed = true
	for _, end := range s.probers {
		end()
	}
	s.mu.Unlock()
	s.probing.Wait()
}

// probe asks a primary whether it is there until it answers. Any answer will do, also a refusal:
// then nobody waits for it. So does that the client is closed, as that of one which has left the
// Cluster is. The question is a message that means nothing, because a server whose writes wait holds
// it up with these.
func probe(ctx context.Context, primary *redis.Client) {
	for {
		asking, cancel := context.WithTimeout(ctx, probeTimeout)
		err := primary.Publish(asking, poolChannel, "probe").Err()
		cancel()
		if !timedOut(err) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(probePause):
		}
	}
}

// primaryOf is the primary of a Cluster that has a key; nil where none is known: asking tells why.
func primaryOf(ctx context.Context, cluster *redis.ClusterClient, key string) *redis.Client {
	primary, err := cluster.MasterForKey(ctx, key)
	if err != nil {
		return nil
	}
	return primary
}

// byPrimary divides calls by the primaries of a Cluster that have their keys; nil has those of which
// none is known.
func byPrimary(ctx context.Context, cluster *redis.ClusterClient, calls []*call) map[*redis.Client][]*call {
	parts := map[*redis.Client][]*call{}
	for _, c := range calls {
		var primary *redis.Client
		if len(c.keys) > 0 {
			primary = primaryOf(ctx, cluster, c.keys[0])
		}
		parts[primary] = append(parts[primary], c)
	}
	return parts
}

// sendApart sends the calls to each primary by itself: else the client gives those of one that is
// silent, and all others, the same error, when the time is over.
func (b *batch) sendApart(ctx context.Context, cluster *redis.ClusterClient, calls []*call, send func(context.Context, []*call) error) error {
	var sending sync.WaitGroup
	var mu sync.Mutex
	var first error
	for primary, part := range byPrimary(ctx, cluster, calls) {
		sending.Go(func() {
			err := b.silent.await(ctx, primary, func(ctx context.Context) error { return send(ctx, part) })
			if errors.Is(err, errSilent) {
				for _, c := range part {
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
func await[T any](ctx context.Context, s *Store, key string, ask func(context.Context) (T, error)) (answer T, err error) {
	cluster, is := s.client.(*redis.ClusterClient)
	if !is {
		return ask(ctx)
	}
	err = s.silent.await(ctx, primaryOf(ctx, cluster, key), func(ctx context.Context) (err error) {
		answer, err = ask(ctx)
		return err
	})
	return answer, err
}
