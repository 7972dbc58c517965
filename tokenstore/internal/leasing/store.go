package leasing

import (
	"context"
	"time"
)

// Store is what the desk needs of the store.
type Store interface {
	// Acquire leases up to wanted.Count tokens, the one that is due first. Without
	// an eligible token it returns no lease and the shortage: of the upstream's
	// tokens, or of the one that was asked for by its alias or id, with a total of 0 when
	// there is none.
	Acquire(ctx context.Context, wanted Wanted) ([]Taken, Shortage, error)
	// Settle ends leases and carries verdicts out, both in one step for each lease; it
	// returns one Settled each, in order. It may be repeated. With [Deferred] it has settled the
	// others, and of what was deferred the Settled is zero.
	Settle(ctx context.Context, settlements []Settlement) ([]Settled, error)
	// Renew prolongs leases; it returns those that are lost. With [Deferred] it has prolonged the
	// others.
	Renew(ctx context.Context, leases []LeaseRef, ttl time.Duration) ([]LeaseRef, error)
	// Locate tells in which pool a token is, so that nobody has to look it up.
	Locate(tokenID, upstream string)
	// Pardon undoes what was done to some of an upstream's wronged tokens; nil when there
	// are none any more.
	Pardon(ctx context.Context, upstream, by string) (*Pardoned, error)
	// Reserve renews a replica's holds and adds to them.
	Reserve(ctx context.Context, reservation Reservation) (Reserve, error)
	// Reconcile is Settle for what a replica did with its reserve. Live is false for
	// what had been counted before. With [Deferred] it has counted all uses but those that are
	// named there.
	Reconcile(ctx context.Context, replica string, uses []ReservedUse) ([]Settled, error)
	// Want tells whoever has slots of the upstream that no request uses, in reserve or lent
	// ahead, that others wait for them.
	Want(ctx context.Context, upstream string) error
	// Announce tells all desks on the store that demands wait at one of them.
	Announce(ctx context.Context, waiting Waiting) error
	// Credential opens a token's secrets. version is the one that the lease was
	// granted on: what is older must not be returned.
	Credential(ctx context.Context, tokenID string, version uint64) (Credential, error)
}
