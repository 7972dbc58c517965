package leasing

import (
	"cmp"
	"time"
)

// Shortage counts a pool's tokens by what excluded them.
type Shortage struct {
	Total, Disabled, Expired, Cooling, Capped, Tried int
	// Parked ones need a person. Probing and Quarantined ones have no room until
	// it is known what becomes of the requests that they have.
	Parked, Probing, Quarantined int
	// Renewing are those of the expired that wait for another access token.
	Renewing int
	// Reserved are those of the capped of which a replica holds slots in reserve.
	Reserved int
	// Lent: gateways may have slots that no request uses: they were lent ahead, or their requests
	// have just ended.
	Lent bool
	// Soonest is the time until the first cooling one is back; 0 when none is.
	Soonest time.Duration
	// SoonestTried is the same of those that the request has tried.
	SoonestTried time.Duration
	// Cause is the class of what all tokens fail for alike, empty when there is
	// nothing. Soonest is then the time until it is probed again.
	Cause string
}

// busy counts the tokens that have no room for now.
func (s Shortage) busy() int { return s.Capped + s.Probing + s.Quarantined }

// soon tells whether tokens may be free at any moment.
func (s Shortage) soon() bool { return s.busy() > 0 || s.Renewing > 0 }

// gone counts the tokens that only an admin can bring back.
func (s Shortage) gone() int { return s.Disabled + s.Expired - s.Renewing + s.Parked }

// retryAfter is when it is worth asking again; 0: not by waiting.
func (s Shortage) retryAfter() time.Duration {
	wait := cmp.Or(s.Soonest, s.SoonestTried)
	if wait == 0 && s.soon() {
		return time.Second
	}
	return wait
}

// aged is the shortage as it is so much later, should nothing else have happened.
func (s Shortage) aged(age time.Duration) Shortage {
	for _, until := range []*time.Duration{&s.Soonest, &s.SoonestTried} {
		if *until > 0 {
			*until = max(*until-age, time.Millisecond)
		}
	}
	return s
}
