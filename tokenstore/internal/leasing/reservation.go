package leasing

import "time"

// Reservation is what a replica holds in reserve and asks for.
type Reservation struct {
	Replica string
	// Instance is the same for each start of the replica.
	Instance string
	// TTL is how long a hold lasts without word; 0 gives everything up.
	TTL   time.Duration
	Holds []Hold
	// Wanted are the upstreams for which demands wait: nothing of them is to be added.
	Wanted []string
}

// Hold is a replica's right to use a token by itself.
type Hold struct {
	TokenID string
	// Slots is how many requests at a time; 0: as many as come.
	Slots int
}

// Reserve is what has changed in a replica's reserve.
type Reserve struct {
	// Dropped are not to be used any more. They stay held until the replica leaves
	// them out.
	Dropped []string
	Added   []AddedHold
	// Away are the upstreams whose pools can't be reached while others can: their holds are as they
	// were.
	Away []string
}

// AddedHold is a new one.
type AddedHold struct {
	Hold
	Upstream string
	// Epoch and Version are the token's.
	Epoch   uint64
	Version uint64
}
