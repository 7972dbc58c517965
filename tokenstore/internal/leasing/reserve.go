package leasing

import (
	"context"
	"log/slog"
)

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
// demands wait: they come first. It returns what the replica must not use any
// more, and what it may.
func (d *Desk) Reserve(ctx context.Context, reservation Reservation) (dropped []string, added []Reserved, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	reservation.Wanted = d.wantedUpstreams()
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
				Taken:      Taken{LeaseRef: LeaseRef{TokenID: hold.TokenID}, Version: hold.Version, Capped: hold.Slots > 0},
				Credential: credential,
			},
			Upstream: hold.Upstream, Slots: hold.Slots, Since: hold.Epoch,
		})
	}
	return reserve.Dropped, added, nil
}
