package redisstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"carousel.internal/tokenstore/internal/leasing"
)

var reserveScript = newScript("reserve")

const (
	// maxReserve bounds the tokens of one upstream in a replica's reserve: no
	// replica has the secrets of a large pool.
	maxReserve = 64
	// maxReserveTTL bounds how long a replica may go on without the store.
	maxReserveTTL = time.Hour
	// reconciledTTL is how long a replica may be away and still repeat a report.
	reconciledTTL = 7 * 24 * time.Hour
	// reserveWait bounds the wait for what was added to be saved: the demands of the
	// same replica wait behind it.
	reserveWait = 1500 * time.Millisecond
	// reservePause is how long nothing is added after that has failed.
	reservePause = 5 * time.Second
)

// Reserve renews a replica's holds and adds to them. What it adds is saved when it
// returns: a Redis that has lost its last second must not give it to another. What can't
// be saved is not added, and the holds remain as they are: a server that is short of
// replicas still leases, and so does the replica from what it holds.
func (s *Store) Reserve(ctx context.Context, reservation leasing.Reservation) (leasing.Reserve, error) {
	if !replicaForm.MatchString(reservation.Replica) || !replicaForm.MatchString(reservation.Instance) {
		return leasing.Reserve{}, invalid(errReplica)
	}
	if reservation.TTL < 0 || reservation.TTL > maxReserveTTL {
		return leasing.Reserve{}, invalid(fmt.Errorf("ttl: at most %s", maxReserveTTL))
	}
	shares, unknown, err := s.reservationsByPool(ctx, reservation)
	if err != nil {
		return leasing.Reserve{}, err
	}
	reserve := leasing.Reserve{Dropped: unknown}
	paused := time.Now().UnixNano() < s.reservesAgain.Load()
	round, calls := s.batch(), make([]*call, len(shares))
	for n, pool := range shares {
		args := make([]any, 0, 11+2*len(pool.places))
		args = append(args, reservation.Replica, reservation.Instance, reservation.TTL.Milliseconds(), maxReserve, silence.Milliseconds(),
			rand.IntN(1<<30), //nolint:gosec // where to begin needs no secrecy
			tokenKeyPrefix(pool.upstream), inflightKeyPrefix(pool.upstream), holdsKeyPrefix(pool.upstream), poolChannel,
			flag(paused || slices.Contains(reservation.Wanted, pool.upstream)))
		for _, i := range pool.places {
			args = append(args, reservation.Holds[i].TokenID, reservation.Holds[i].Slots)
		}
		keys := []string{holdersKey(pool.upstream), holdsKey(pool.upstream, reservation.Replica), orderKey(pool.upstream), coolingKey(pool.upstream)}
		calls[n] = round.add(reserveScript, keys, args...)
	}
	_ = round.exec(ctx) // each call has its own error
	later := &leasing.Deferred{}
	for n, pool := range shares {
		values, err := calls[n].reply.Slice()
		if err != nil {
			if err := deferred(later, s.poolError(pool.upstream, "reserve", err)); err != nil {
				return leasing.Reserve{}, err
			}
			continue
		}
		if err := takeIn(&reserve, pool.upstream, &row{values: values}); err != nil {
			return leasing.Reserve{}, err
		}
	}
	reserve.Away = later.Upstreams
	for _, hold := range reserve.Added {
		s.homes.put(hold.TokenID, hold.Upstream)
	}
	if len(reserve.Added) > 0 {
		if s.savedSoon(ctx) {
			return reserve, nil
		}
		reserve.Added = nil // the replica does not name them next time, and so gives them back
		s.reservesAgain.Store(time.Now().Add(reservePause).UnixNano())
	}
	return reserve, s.stillThere(ctx)
}

// savedSoon tells whether what was written is known to be saved in time.
func (s *Store) savedSoon(ctx context.Context) bool {
	saved := make(chan error, 1)
	go func() { saved <- s.barrier.Sync(ctx) }() // bounded by the barrier
	select {
	case err := <-saved:
		return err == nil
	case <-time.After(s.reserveWait):
		return false
	}
}

// reservationsByPool returns a share for each upstream, and the tokens that are in no
// pool.
func (s *Store) reservationsByPool(ctx context.Context, reservation leasing.Reservation) (shares []share, unknown []string, err error) {
	upstreams, err := s.upstreamNames(ctx)
	if err != nil {
		return nil, nil, err
	}
	ids := make([]string, len(reservation.Holds))
	for i, hold := range reservation.Holds {
		ids[i] = hold.TokenID
	}
	if shares, err = s.byPool(ctx, ids); err != nil {
		return nil, nil, err
	}
	shares = slices.DeleteFunc(shares, func(pool share) bool { return !slices.Contains(upstreams, pool.upstream) })
	known := map[string]bool{}
	for _, pool := range shares {
		known[pool.upstream] = true
		for _, i := range pool.places {
			known[ids[i]] = true
		}
	}
	for _, id := range ids {
		if !known[id] {
			unknown = append(unknown, id)
		}
	}
	for _, upstream := range upstreams {
		if !known[upstream] {
			shares = append(shares, share{upstream: upstream})
		}
	}
	return shares, unknown, nil
}

// takeIn adds what the script says of one pool.
func takeIn(r *leasing.Reserve, upstream string, reply *row) error {
	dropped := int(reply.number(0))
	for i := range dropped {
		r.Dropped = append(r.Dropped, reply.text(1+i))
	}
	for i := 1 + dropped; i < len(reply.values); i += 4 {
		r.Added = append(r.Added, leasing.AddedHold{
			Hold:     leasing.Hold{TokenID: reply.text(i), Slots: int(reply.number(i + 1))},
			Upstream: upstream, Epoch: reply.count(i + 2), Version: reply.count(i + 3),
		})
	}
	return reply.err
}

// Want tells whoever has slots of the upstream that no request uses, in reserve or lent ahead,
// that others wait for them.
func (s *Store) Want(ctx context.Context, upstream string) error {
	return storeError("ask for slots", s.client.Publish(ctx, poolChannel, "wanted "+upstream).Err())
}

// Announce tells all desks on this Redis that demands wait at one of them.
func (s *Store) Announce(ctx context.Context, waiting leasing.Waiting) error {
	text := fmt.Sprintf("waiting %s %s %d", waiting.Upstream, waiting.Desk, waiting.For.Milliseconds())
	return storeError("say that demands wait", s.client.Publish(ctx, poolChannel, text).Err())
}
