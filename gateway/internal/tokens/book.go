package tokens

import (
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// How much of a key is taken ahead. It is as with leases: below some rate nothing is, and what the
// store knows of the key is exact.
const (
	// keyHorizon is the time for which an allowance is taken.
	keyHorizon = 150 * time.Millisecond
	// minKeyRate is the load, in requests of the key per second, from which it is worth it.
	minKeyRate = 100
	// maxKeyAhead bounds an allowance, in requests.
	maxKeyAhead = 1024
	// keyWantedPause is how long nothing is taken ahead after others have wanted it.
	keyWantedPause = time.Second
	// keyMaxIdle is how long an allowance is kept that nothing is drawn from, and keyRateWindow
	// the time over which requests are counted.
	keyMaxIdle    = 200 * time.Millisecond
	keyRateWindow = 50 * time.Millisecond
	// keyStill is after how long a book without anything in it is closed.
	keyStill = time.Minute
	// scarce is how many requests there must be room for, so that what one gives back can wait
	// for other messages.
	scarce = 8
)

// book is what this process uses of one key that has limits. All amounts but the allowance are
// totals, as the store is told them. It is not safe for concurrent use: the books guard it.
type book struct {
	id, keyID string
	// spent is what ended requests have used, granted what the store has set aside so far.
	spent, granted amounts
	// holding is what there is of that: reserved for requests under way, and the rest an
	// allowance for others. The allowance is below nothing while a request goes on of whose
	// grant only the lease has come.
	holding, reserved amounts

	// sequence is the last statement's, said what it was, and when.
	sequence uint64
	said     struct {
		spent, granted, holding amounts
		at                      time.Time
	}
	// unsaid: a statement is to be made.
	unsaid bool
	// deferred: the store has not carried out the last statement, which is to be made again.
	deferred bool
	// unconfirmed are when the statements went out which the present session has not confirmed.
	unconfirmed []saidAt
	// ttl is how long what is held stays set aside, counted from since: when the newest
	// statement went out that the store has carried out. 0: it has granted nothing yet.
	ttl   time.Duration
	since time.Time

	// asked counts requests in the present rate window; rate is requests per second, smoothed,
	// and typical what one of them is charged.
	asked   int
	rate    float64
	typical amounts
	// drawn is when the last request was charged.
	drawn time.Time
	// asking: the allowance has been asked for, at askedAt, and no answer has come.
	asking  bool
	askedAt time.Time
	// pausedUntil is set when others want what is held ahead.
	pausedUntil time.Time
	// returned is when some of the allowance was last given back.
	returned time.Time

	// asides are the requests that wait for what needs no lease, oldest first.
	asides []*aside

	// standings is what the store said last of the key's limits, with what it counted of this
	// book; nil: it has not.
	standings []caller.Standing
	counted   struct{ spent, holding amounts }
}

// saidAt is when a statement went out.
type saidAt struct {
	sequence uint64
	at       time.Time
}

func (b *book) allowance() amounts { return b.holding.minus(b.reserved) }

// stands reports whether the store still keeps set aside what is held.
func (b *book) stands(now time.Time) bool { return b.ttl > 0 && !lease.Passed(b.since.Add(b.ttl), now) }

// want counts a request.
func (b *book) want(most amounts, now time.Time) {
	b.drawn = now
	if b.typical == (amounts{}) {
		b.typical = most
	}
	for unit := range most {
		b.typical[unit] += (most[unit] - b.typical[unit]) / 8
	}
	// A load that has begun is noticed before its window is over.
	if b.asked++; b.asked > 3*minKeyRate*int(keyRateWindow)/int(2*time.Second) {
		b.rate = max(b.rate, minKeyRate)
	}
}

// draw charges a request to the allowance, if that suffices.
func (b *book) draw(most amounts, now time.Time) bool {
	if !b.stands(now) || !b.allowance().cover(most) {
		return false
	}
	b.reserved = b.reserved.plus(most)
	return true
}

// hold charges a request that the store has granted.
func (b *book) hold(most amounts) { b.reserved = b.reserved.plus(most) }

// pay ends a request's charge. What is left of it becomes allowance, of which only what the load
// needs is kept.
func (b *book) pay(most, used amounts, now time.Time) {
	used[ofAtOnce] = 0
	b.reserved = b.reserved.minus(most)
	b.spent = b.spent.plus(used)
	b.holding = b.holding.minus(used.atMost(most))
	b.unsaid = true
	b.trim(now)
}

// giveBack gives the allowance back.
func (b *book) giveBack(now time.Time) { b.giveBackBut(amounts{}, now) }

// giveBackBut gives back what is more than an allowance of keep.
func (b *book) giveBackBut(keep amounts, now time.Time) {
	if left := b.reserved.plus(b.allowance().atMost(keep)); left != b.holding {
		b.holding, b.unsaid, b.returned = left, true, now
	}
}

// trim gives back what is more than the load needs.
func (b *book) trim(now time.Time) {
	keep := amounts{}
	if b.stands(now) {
		keep = b.target(now).times(2)
	}
	b.giveBackBut(keep, now)
}

// target is how large the allowance should be.
func (b *book) target(now time.Time) (wanted amounts) {
	if b.rate < minKeyRate || now.Before(b.pausedUntil) || now.Sub(b.drawn) >= keyMaxIdle {
		return amounts{}
	}
	n := min(b.rate*keyHorizon.Seconds(), maxKeyAhead)
	for unit := range wanted {
		wanted[unit] = int64(n * float64(b.typical[unit]))
	}
	return wanted
}

// runsLow reports whether more of the allowance is to be asked for now.
func (b *book) runsLow(now time.Time) bool {
	target := b.target(now)
	if target == (amounts{}) || b.asking || now.Sub(b.askedAt) < tick {
		return false
	}
	return !b.allowance().times(2).cover(target)
}

// ahead is how much more is to be asked for in a message that goes out anyway.
func (b *book) ahead(now time.Time) amounts {
	if b.asking {
		return amounts{}
	}
	lacking := b.target(now).minus(b.allowance().atLeast(amounts{})).atLeast(amounts{})
	if lacking != (amounts{}) {
		b.asking, b.askedAt = true, now
	}
	return lacking
}

// statement says what there is to be told of the book.
func (b *book) statement(now time.Time) *tokenstorev1.KeyStatement {
	b.sequence++
	ahead := b.ahead(now).plus(b.unasked())
	b.unsaid, b.deferred = false, false
	b.said.spent, b.said.granted, b.said.holding, b.said.at = b.spent, b.granted, b.holding, now
	b.unconfirmed = append(b.unconfirmed, saidAt{b.sequence, now})
	statement := &tokenstorev1.KeyStatement{
		KeyId: b.keyID, Book: b.id, Sequence: b.sequence,
		Spent: b.spent.onWire(), Granted: b.granted.onWire(), Holding: b.holding.onWire(),
	}
	if ahead != (amounts{}) {
		statement.Ahead = ahead.onWire()
	}
	return statement
}

// confirm notes that the store has carried out a statement, or has deferred it.
func (b *book) confirm(sequence uint64, deferred bool, now time.Time) {
	for len(b.unconfirmed) > 0 && b.unconfirmed[0].sequence <= sequence {
		if !deferred {
			b.since = b.unconfirmed[0].at
		}
		b.asking, b.deferred = false, deferred
		b.unconfirmed = b.unconfirmed[1:]
	}
	b.serveAsides(now)
}

// take takes in what the store has granted in all, and charges what it is for.
func (b *book) take(grant *tokenstorev1.KeyGrant, charges []*lease.Charge, now time.Time) {
	more := amountsFrom(grant.GetGranted()).minus(b.granted).atLeast(amounts{})
	b.granted = b.granted.plus(more)
	b.holding = b.holding.plus(more)
	b.ttl = grant.GetTtl().AsDuration()
	if b.since.IsZero() && len(b.unconfirmed) > 0 { // it answers this one, or a later one
		b.since = b.unconfirmed[0].at
	}
	for _, charge := range charges {
		b.hold(amountsOf(charge.Most))
	}
	b.serveAsides(now)
	b.standings = standingsFrom(grant.GetStanding())
	b.counted.spent = b.said.spent
	b.counted.holding = b.said.holding.plus(b.granted).minus(b.said.granted)
}

// tend measures the load over a window, lets go of what it does not need, and repeats what would
// lapse.
func (b *book) tend(now time.Time, window time.Duration) {
	b.rate = (b.rate + float64(b.asked)/window.Seconds()) / 2
	b.asked = 0
	b.trim(now)
	if b.ttl > 0 && b.holding.atLeast(b.reserved) != (amounts{}) && now.Sub(b.said.at) >= b.ttl/3 {
		b.unsaid = true
	}
}

// resume begins anew in another session.
func (b *book) resume() {
	b.unsaid = b.unsaid || b.deferred || len(b.unconfirmed) > 0 || b.holding.atLeast(b.reserved) != (amounts{})
	b.unconfirmed, b.asking = nil, false
	for _, each := range b.asides {
		each.asked, b.unsaid = 0, true
	}
}

// isOver reports whether the book can be closed: it has nothing, and the store knows all of it.
func (b *book) isOver(now time.Time) bool {
	return b.reserved == (amounts{}) && !b.unsaid && !b.deferred && len(b.unconfirmed) == 0 && now.Sub(b.drawn) >= keyStill
}

// isScarce reports whether somebody may wait for what a request gives back.
func (b *book) isScarce(now time.Time) bool {
	standings := b.standing(now)
	for _, each := range standings {
		if each.Left() < uint64(scarce*b.typical.of(each.Limit)) { //nolint:gosec // it is not below zero
			return true
		}
	}
	return standings == nil
}

// standing is how far the key's limits are used up, as far as is known here: what the store said,
// with what has become of this book since. What is held ahead is free.
func (b *book) standing(now time.Time) []caller.Standing {
	if b.standings == nil {
		return nil
	}
	standings := make([]caller.Standing, len(b.standings))
	for i, each := range b.standings {
		recent := b.spent.minus(b.counted.spent).of(each.Limit)
		used := recent
		if each.RenewsAt.IsZero() || now.Before(each.RenewsAt) {
			used += int64(min(each.Used, 1<<62))
		} else {
			each.RenewsAt = time.Time{}
		}
		if recent > 0 && each.Period == caller.Minute {
			each.RenewsAt = now.Add(time.Minute)
		}
		reserved := int64(min(each.Reserved, 1<<62)) - b.counted.holding.of(each.Limit) + b.reserved.of(each.Limit)
		each.Used, each.Reserved = uint64(max(used, 0)), uint64(max(reserved, b.reserved.of(each.Limit), 0))
		standings[i] = each
	}
	return standings
}
