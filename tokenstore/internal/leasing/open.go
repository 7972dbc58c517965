package leasing

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

const (
	// unreadable is the class of a token whose secret doesn't open, and unreadableFor how
	// long it cools: until a replica with the right key, or an admin, has come.
	unreadable    = "unreadable"
	unreadableFor = time.Minute
)

// open adds what the leases carry. Those of tokens that can't be opened go
// back, so that one bad token spoils no other's leases.
func (d *Desk) open(ctx context.Context, taken []Taken, ttl time.Duration) ([]Lease, error) {
	leases := make([]Lease, 0, len(taken))
	var back []Settlement
	var first error
	for _, each := range taken {
		credential, err := d.store.Credential(ctx, each.TokenID, each.Version)
		if err != nil {
			first, back = cmp.Or(first, err), append(back, unopened(each, err))
			continue
		}
		lease := Lease{Taken: each, TTL: ttl, Credential: credential}
		if each.Slot {
			lease.TTL = d.ttl
		}
		leases = append(leases, lease)
	}
	if len(back) == 0 {
		return leases, nil
	}
	for i, each := range d.giveBack(ctx, back) {
		if each.Became == Cooling {
			d.log.LogAttrs(ctx, slog.LevelError, "token can't be opened and cools", slog.String("token_id", back[i].TokenID),
				slog.String("upstream", each.Upstream), slog.String("error", back[i].Verdict.Detail))
		}
	}
	return leases, first
}

// unopened gives back the lease of a token that can't be opened. Where that is
// the token's fault, and not the store's, the token cools: else it would be the
// first to be picked again.
func unopened(taken Taken, err error) Settlement {
	back := Settlement{LeaseRef: taken.LeaseRef, Effect: Unused}
	if !rpcerr.Is(err, tokenstorev1.Reason_REASON_STORE_UNAVAILABLE) && !rpcerr.Is(err, tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND) {
		back.Verdict = &Verdict{Class: unreadable, CoolFor: []time.Duration{unreadableFor}, Evidence: Evidence{Detail: err.Error()}}
	}
	return back
}
