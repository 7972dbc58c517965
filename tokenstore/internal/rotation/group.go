package rotation

import "time"

// MaxGroup bounds how many tokens of a group are known as such. What becomes of one becomes
// of all in one step, which keeps the store from others for some milliseconds at most.
const MaxGroup = 500

// Other is what is known of another token of a group.
type Other struct {
	// Off: an admin has switched it off.
	Off    bool
	Parked bool
	// Left is for how long it rests already: as a whole, or for the verdict's model.
	Left time.Duration
}

// Shared returns what a verdict on one token does to another one of its group, where the
// upstream limits the group: the same, unless that changes nothing. One that rests for longer
// goes on with that; what is switched off or parked is left alone. So all have one count of
// coolings in a row, and whichever is asked first when the cooling is over speaks for all.
func Shared(verdict Verdict, other Other) Verdict {
	switch {
	case other.Off, other.Parked, !verdict.Park && other.Left >= verdict.CoolFor:
		return Verdict{}
	default:
		return verdict
	}
}
