package leasing

import (
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

// Settling tells whether that moment lasts.
func (d *Desk) Settling() bool { return time.Now().Before(d.settledAt()) }

func (d *Desk) settledAt() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.settled
}

// noted remembers that the store was away, and returns the error.
func (d *Desk) noted(err error) error {
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) {
		d.AwaitRenewals()
	}
	return err
}
