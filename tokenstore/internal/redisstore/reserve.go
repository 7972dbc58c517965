package redisstore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"carousel.internal/tokenstore/internal/leasing"
)

var (
	reserveScript   = newScript("reserve")
	reconcileScript = newScript("reconcile")
)

const (
	// maxReserve bounds the tokens of one upstream in a replica's reserve: no
	// replica has the secrets of a large pool.
	maxReserve = 64
	// maxReserveTTL bounds how long a replica may go on without the store.
	maxReserveTTL = time.Hour
	// reconciledTTL is how long a replica may be away and still repeat a report.
	reconciledTTL = 7 * 24 * time.Hour
)

// Reserve renews a replica's holds and adds to them. What it adds is on disk when
// it answers: a Redis that has lost its last second must not give it to another.
func (s *Store) Reserve(ctx context.Context, reservation leasing.Reservation) (leasing.Reserve, error) {
	if !replicaForm.MatchString(reservation.Replica) || !replicaForm.MatchString(reservation.Instance) {
		return leasing.Reserve{}, invalid(errReplica)
	}
	if reservation.TTL < 0 || reservation.TTL > maxReserveTTL {
		return leasing.Reserve{}, invalid(fmt.Errorf("ttl: at most %s", maxReserveTTL))
	}
	args := make([]any, 0, 13+len(reservation.Busy)+2*len(reservation.Holds))
	args = append(args, reservation.Replica, reservation.Instance, reservation.TTL.Milliseconds(), maxReserve, silence.Milliseconds(),
		rand.IntN(1<<30), //nolint:gosec // where to begin needs no secrecy
		tokenKeyPrefix(), inflightKeyPrefix(), orderKeyPrefix(), coolingKeyPrefix(), holdsKeyPrefix(), poolChannel, len(reservation.Busy))
	for _, upstream := range reservation.Busy {
		args = append(args, upstream)
	}
	for _, hold := range reservation.Holds {
		args = append(args, hold.TokenID, hold.Slots)
	}
	keys := []string{holdersKey(), holdsKey(reservation.Replica), upstreamsKey()}
	values, err := reserveScript.run(ctx, s.client, keys, args...).Slice()
	if err != nil {
		return leasing.Reserve{}, storeError("reserve", err)
	}
	reserve, err := reserveFrom(&row{values: values})
	if err != nil || len(reserve.Added) == 0 {
		return reserve, err
	}
	return reserve, s.barrier.Sync(ctx)
}

func reserveFrom(reply *row) (leasing.Reserve, error) {
	var reserve leasing.Reserve
	dropped := int(reply.number(0))
	for i := range dropped {
		reserve.Dropped = append(reserve.Dropped, reply.text(1+i))
	}
	for i := 1 + dropped; i < len(reply.values); i += 5 {
		reserve.Added = append(reserve.Added, leasing.AddedHold{
			Hold:     leasing.Hold{TokenID: reply.text(i), Slots: int(reply.number(i + 2))},
			Upstream: reply.text(i + 1), Epoch: reply.count(i + 3), Version: reply.count(i + 4),
		})
	}
	return reserve, reply.err
}

// Want tells whoever holds slots of the upstream in reserve that others wait for
// them.
func (s *Store) Want(ctx context.Context, upstream string) error {
	return storeError("ask for slots", s.client.Publish(ctx, poolChannel, "wanted "+upstream).Err())
}

// Reconcile counts what a replica did with its reserve; answers one Settled each, in
// order. Live is false for what had been counted before, or has no token any more.
func (s *Store) Reconcile(ctx context.Context, replica string, uses []leasing.ReservedUse) ([]leasing.Settled, error) {
	if !replicaForm.MatchString(replica) {
		return nil, invalid(errReplica)
	}
	args := make([]any, 0, 2+5*len(uses))
	args = append(args, tokenKeyPrefix(), reconciledTTL.Milliseconds())
	for _, use := range uses {
		args = append(args, use.Number, use.TokenID, use.Epoch(), string(use.Effect), use.Error)
	}
	values, err := reconcileScript.run(ctx, s.client, []string{reconciledKey(replica)}, args...).Slice()
	if err != nil {
		return nil, storeError("reconcile", err)
	}
	reply := &row{values: values}
	settled := make([]leasing.Settled, len(uses))
	for i := range settled {
		settled[i] = leasing.Settled{Live: reply.number(4*i) == 1, Upstream: reply.text(4*i + 1), Epoch: reply.count(4*i + 2)}
		takePast(&settled[i], reply.text(4*i+3))
	}
	return settled, reply.err
}
