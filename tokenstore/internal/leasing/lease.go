package leasing

import (
	"strconv"
	"strings"
	"time"

	"carousel.internal/proto/service/secret"
)

// Wanted is what an acquire is asked for.
type Wanted struct {
	Upstream string
	Model    string
	Count    int
	TTL      time.Duration
	// SlotTTL is TTL for leases of tokens with a cap; 0: like the others.
	SlotTTL time.Duration
	// Ahead takes before requests need it. Of tokens with a cap it takes no more slots than it
	// leaves, of those that it finds free; none where the demand is for one token or has a key.
	// Where slots are not to be had, it takes no token that comes after one with a cap that could
	// serve: that one's turn is left to those who ask now.
	Ahead bool
	// Uncapped takes only tokens without a cap.
	Uncapped bool
	// Alias asks for the token that has it, and for no other; empty: any.
	Alias string
	// TokenID asks for the token of that id, and for no other; empty: any. Not with an alias.
	TokenID string
	Exclude []string
	// Affinity is the key of which demands are served by one token; empty: by any.
	Affinity string
	// Brief leaves the shortage out. To count it costs more the larger the pool.
	Brief bool
}

// LeaseRef names a lease.
type LeaseRef struct {
	TokenID string
	LeaseID string
}

// Epoch is the token's epoch at the time of the lease: the first part of its id.
// 0 for an id that is not one of ours.
func (r LeaseRef) Epoch() uint64 {
	text, _, _ := strings.Cut(r.LeaseID, "-")
	epoch, _ := strconv.ParseUint(text, 10, 64)
	return epoch
}

// Taken is one lease that an acquire granted.
type Taken struct {
	LeaseRef
	// Version is the token record's, so that a reader knows whether what it has
	// is current.
	Version uint64
	// Capped: somebody may wait for its room, or for what becomes of it: it is to be given back
	// at once.
	Capped bool
	// Slot: its token has a cap.
	Slot bool
}

// Credential is what a lease carries of its token.
type Credential struct {
	Secret      secret.Value
	DeviceID    string
	MACHash     string
	Alias       string
	Fingerprint string
	// Masked is what may be shown of the secret.
	Masked string
	// Proxy is what requests go through; empty: the upstream's.
	Proxy secret.Value
	// Renewable: the secret is an access token, which can be had anew.
	Renewable bool
}
