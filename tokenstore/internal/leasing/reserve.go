package leasing

import (
	"context"
	"log/slog"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// wantEvery is how often an upstream's slots in reserve are asked for at most.
	wantEvery = 50 * time.Millisecond
	// wantedFor is how long nothing of it goes into a reserve then.
	wantedFor = 500 * time.Millisecond
	// settleFor is how long after a Redis has come back leases of tokens with a cap
	// wait: it may have lost its last second, and the replicas renew what they have.
	settleFor = 2 * time.Second
	// slotPatience is how long a demand waits for slots that may lie in a reserve:
	// much longer than a replica takes to give them up.
	slotPatience = 500 * time.Millisecond
)

// AwaitRenewals lets leases of tokens with a cap wait a moment: the store may have forgotten
// some that replicas still have, and these renew them now.
func (d *Desk) AwaitRenewals() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settling = time.Now().Add(settleFor)
}

// Settling tells whether that moment lasts.
func (d *Desk) Settling() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Before(d.settling)
}

// noted remembers that the store was away, and answers the error.
func (d *Desk) noted(err error) error {
	if rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) {
		d.AwaitRenewals()
	}
	return err
}

// Reserved is a token that has come into a replica's reserve: the lease's id is
// not set.
type Reserved struct {
	Lease
	Upstream string
	Slots    int
	// Since is the token's epoch at which it was reserved.
	Since uint64
}

// Reserve renews what a replica holds in reserve and adds to it, except where
// demands wait: they come first. It answers what the replica must not use any
// more, and what it may.
func (d *Desk) Reserve(ctx context.Context, reservation Reservation) (dropped []string, added []Reserved, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	reservation.Busy = d.busyUpstreams()
	reserve, err := d.store.Reserve(ctx, reservation)
	if err != nil {
		return nil, nil, d.noted(err)
	}
	for _, hold := range reserve.Added {
		credential, err := d.store.Credential(ctx, hold.TokenID, hold.Version)
		if err != nil { // it is held for nothing until the replica leaves it out
			d.log.LogAttrs(ctx, slog.LevelWarn, "token can't be opened for a reserve", slog.String("token_id", hold.TokenID), slog.Any("error", err))
			continue
		}
		added = append(added, Reserved{
			Lease: Lease{
				Taken: Taken{
					LeaseRef: LeaseRef{TokenID: hold.TokenID}, Version: hold.Version, Capped: hold.Slots > 0,
				},
				Secret: credential.Secret, DeviceID: credential.DeviceID, MACHash: credential.MACHash,
				Alias: credential.Alias, Fingerprint: credential.Fingerprint, Masked: credential.Masked,
			},
			Upstream: hold.Upstream, Slots: hold.Slots, Since: hold.Epoch,
		})
	}
	return reserve.Dropped, added, nil
}

func (d *Desk) busyUpstreams() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	busy := make([]string, 0, len(d.queues))
	for upstream := range d.queues {
		busy = append(busy, upstream)
	}
	for upstream, at := range d.wanted {
		if d.queues[upstream] == nil && time.Since(at) < wantedFor {
			busy = append(busy, upstream)
		}
	}
	return busy
}

// want asks for slots that are held in reserve, for demands that wait.
func (d *Desk) want(ctx context.Context, upstream string) {
	d.mu.Lock()
	told := time.Since(d.wanted[upstream]) < wantEvery
	if !told {
		if len(d.wanted) >= maxCounts {
			clear(d.wanted)
		}
		d.wanted[upstream] = time.Now()
	}
	d.mu.Unlock()
	if told {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if err := d.store.Want(ctx, upstream); err != nil {
		d.log.LogAttrs(ctx, slog.LevelWarn, "slots in reserve can't be asked for", slog.String("upstream", upstream), slog.Any("error", err))
	}
}

// Reconcile takes in how requests ended that a replica served from its reserve. On
// an error the reports may be repeated.
func (d *Desk) Reconcile(ctx context.Context, replica string, numbers []uint64, reports []Report) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	uses := make([]ReservedUse, len(reports))
	for i, report := range reports {
		uses[i] = ReservedUse{
			Number:     numbers[i],
			Settlement: Settlement{LeaseRef: report.LeaseRef, Effect: effectOf(report.Outcome), Error: report.Detail},
		}
	}
	settled, err := d.store.Reconcile(ctx, replica, uses)
	if err != nil {
		return d.noted(err)
	}
	for i, report := range reports {
		if err := d.judge(ctx, report, settled[i]); err != nil {
			return err
		}
	}
	return nil
}
