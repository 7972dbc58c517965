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

// Kept is what has become of a reserve.
type Kept struct {
	// Dropped are not to be used any more.
	Dropped []string
	Added   []Reserved
	// Away are the upstreams whose pools can't be reached, or could not until a moment ago, while
	// others can: of them nothing has changed.
	Away []string
}

// Reserve renews what a replica holds in reserve and adds to it, except where
// demands wait: they come first.
func (d *Desk) Reserve(ctx context.Context, reservation Reservation) (Kept, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	reservation.Wanted = d.wantedUpstreams()
	reserve, err := d.store.Reserve(ctx, reservation)
	if err != nil {
		return Kept{}, d.noted(err)
	}
	d.AwaitRenewalsOf(reserve.Away...)
	kept := Kept{Dropped: reserve.Dropped, Away: d.settlingPools()}
	for _, hold := range reserve.Added {
		credential, err := d.store.Credential(ctx, hold.TokenID, hold.Version)
		if err != nil { // it is held for nothing until the replica leaves it out
			d.log.LogAttrs(ctx, slog.LevelWarn, "token can't be opened for a reserve", slog.String("token_id", hold.TokenID), slog.Any("error", err))
			continue
		}
		kept.Added = append(kept.Added, Reserved{
			Lease: Lease{
				Taken:      Taken{LeaseRef: LeaseRef{TokenID: hold.TokenID}, Version: hold.Version, Capped: hold.Slots > 0},
				Credential: credential,
			},
			Upstream: hold.Upstream, Slots: hold.Slots, Since: hold.Epoch,
		})
	}
	return kept, nil
}
