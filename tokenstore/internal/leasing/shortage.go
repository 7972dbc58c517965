package leasing

import "time"

// Shortage counts a pool's tokens by what excluded them.
type Shortage struct {
	Total, Disabled, Expired, Cooling, Capped, Tried int
	// Parked ones need a person. Probing and Quarantined ones have no room until
	// it is known what becomes of the requests that they have.
	Parked, Probing, Quarantined int
	// Reserved are those of the capped of which a replica holds slots in reserve.
	Reserved int
	// Soonest is the time until the first cooling one is back; 0 when none is.
	Soonest time.Duration
	// SoonestTried is the same of those that the request has tried.
	SoonestTried time.Duration
	// Cause is the class of what all tokens fail for alike, empty when there is
	// nothing. Soonest is then the time until it is probed again.
	Cause string
}
