package leasing

import (
	"errors"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// settleFor is how long after a Redis has come back leases of tokens with a cap
// wait: it may have lost its last second, and the replicas renew what they have.
const settleFor = 2 * time.Second

// AwaitRenewals lets leases of tokens with a cap wait a moment: the store may have
// forgotten some that replicas still have, and these renew them now.
func (d *Desk) AwaitRenewals() {
	d.mu.Lock()
	d.settled = time.Now().Add(settleFor)
	d.mu.Unlock()
	d.FreedAny()
}

// Settling tells whether that moment lasts for the whole store.
func (d *Desk) Settling() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Before(d.settled)
}

// settling tells whether it lasts for the pool of an upstream.
func (d *Desk) settling(upstream string) bool { return time.Now().Before(d.settledAt(upstream)) }

func (d *Desk) settledAt(upstream string) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if pool := d.settledPools[upstream]; pool.After(d.settled) {
		return pool
	}
	return d.settled
}

// noted remembers that the store, or a pool, was away, and returns the error.
func (d *Desk) noted(err error) error {
	if part, is := errors.AsType[*Deferred](err); is {
		d.AwaitRenewalsOf(part.Upstreams...)
		return err
	}
	if pool, is := errors.AsType[*PoolAway](err); is {
		d.AwaitRenewalsOf(pool.Upstream)
		return err
	}
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) {
		d.AwaitRenewals()
	}
	return err
}
