package quota

import "time"

// horizon bounds what is foretold: later than that nothing is.
const horizon = 366 * 24 * time.Hour

// share is what one account gives.
type share struct {
	left, limit float64
	// resets is when it has its limit again; nil: not known.
	resets *time.Time
}

// dryAt is when the shares, in the order in which they begin anew, are used up at a rate of
// requests per hour; nil where that is not before the last of them has begun anew. Requests
// are taken to go first where the least time is left: no other order lasts longer.
func dryAt(shares []share, rate float64, now time.Time) *time.Time {
	if len(shares) == 0 || rate <= 0 {
		return nil
	}
	total := 0.0
	for _, each := range shares {
		total += each.left
	}
	left := make([]float64, len(shares))
	for i, each := range shares {
		left[i] = each.left
	}
	clock, first := now, 0 // the shares before first are used up, until they begin anew
	for i, each := range shares {
		if each.resets == nil {
			break
		}
		need := each.resets.Sub(clock).Hours() * rate
		if need > total {
			return after(clock, total/rate)
		}
		total -= need
		for first < len(left) && need > 0 {
			taken := min(need, left[first])
			left[first], need = left[first]-taken, need-taken
			if left[first] == 0 {
				first++
			}
		}
		clock = *each.resets
		total += each.limit - left[i]
		left[i] = 0 // what it has now is taken when those after it are used up
		first = max(first, i+1)
	}
	if shares[0].resets == nil { // none is known to begin anew
		return after(now, total/rate)
	}
	return nil
}

// after is a moment so many hours later; nil: beyond the horizon.
func after(moment time.Time, hours float64) *time.Time {
	if hours > horizon.Hours() {
		return nil
	}
	return new(moment.Add(time.Duration(hours * float64(time.Hour))))
}
