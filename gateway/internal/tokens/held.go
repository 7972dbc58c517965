package tokens

import (
	"time"

	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// held is a lease that the store has granted and that has not been settled. It is in a
// stock, or open in the session, and guarded by the lock of where it is.
type held struct {
	lease lease.Lease
	epoch uint64
	// upstream is whose pool the token is of.
	upstream string
	// capped: somebody may be waiting for the room.
	capped bool
	// ttl is how long the store's leases live between renewals.
	ttl time.Duration
	// lost: it was no longer there when it was to be renewed.
	lost bool
	// term is the lease's.
	term lease.Term
	// renewed is when more time was last asked for, or the lease granted.
	renewed time.Time
}

// heldFrom is what the store has granted, at since or later.
func heldFrom(granted *tokenstorev1.Lease, since, now time.Time) *held {
	made := &held{
		lease: leaseFrom(granted), epoch: granted.GetEpoch(), capped: granted.GetCapped(),
		ttl: granted.GetTtl().AsDuration(), renewed: now,
	}
	made.lease.Term = &made.term
	made.term.Extend(since.Add(made.ttl))
	return made
}

func leaseFrom(granted *tokenstorev1.Lease) lease.Lease {
	return lease.Lease{
		ID: granted.GetId(), TokenID: granted.GetTokenId(), Alias: granted.GetAlias(), Fingerprint: granted.GetFingerprint(),
		MaskedSecret: granted.GetMaskedSecret(),
		Credential: upstream.Credential{
			Secret: secret.New(granted.GetSecret()), DeviceID: granted.GetDeviceId(), MACHash: granted.GetMacHash(),
			Proxy: secret.New(granted.GetProxy()), Renewable: granted.GetRenewable(),
		},
	}
}
