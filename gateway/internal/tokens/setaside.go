package tokens

import (
	"context"
	"slices"
	"time"

	"carousel.internal/gateway/internal/lease"
)

// setAsidePatience is how long a request waits for what needs no lease.
const setAsidePatience = time.Second

// aside is a request that waits for its charge to be set aside without a lease.
type aside struct {
	most amounts
	// asked is the first statement that tells of it; 0: none has.
	asked uint64
	// done is told whether it was set aside; buffered.
	done chan bool
}

// SetAside sets aside what a request may use that needs no lease, and reports whether there is
// room for it: false also where the store does not answer in time. The store is asked for it as
// for what is taken ahead, and so may keep the last of a limit for requests that need a lease.
func (l *Leases) SetAside(ctx context.Context, charge *lease.Charge) bool {
	if !unpaid(charge) {
		return true
	}
	if charge.Held = l.books.charge(charge); charge.Held {
		return true
	}
	away, isAway := l.reserve.watch("")
	if isAway {
		return false
	}
	waiting := l.books.await(charge)
	timer := time.NewTimer(setAsidePatience)
	defer timer.Stop()
	for !isAway {
		select {
		case charge.Held = <-waiting.done:
			return charge.Held
		case <-away: // the store, or a pool
			away, isAway = l.reserve.watch("")
			continue
		case <-ctx.Done():
		case <-timer.C:
		}
		break
	}
	charge.Held = l.books.leave(charge, waiting)
	return charge.Held
}

// await asks for what a request may use.
func (b *books) await(charge *lease.Charge) *aside {
	waiting := &aside{most: amountsOf(charge.Most), done: make(chan bool, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.of(charge.KeyID)
	of.asides = append(of.asides, waiting)
	of.unsaid = true
	b.note(of)
	b.nudge()
	return waiting
}

// leave stops waiting, and reports whether it was set aside meanwhile.
func (b *books) leave(charge *lease.Charge, waiting *aside) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.of(charge.KeyID)
	of.asides = slices.DeleteFunc(of.asides, func(each *aside) bool { return each == waiting })
	select {
	case held := <-waiting.done:
		return held
	default:
		return false
	}
}

// unasked is what those need who wait, as far as no statement tells of it; the one that is made
// now does.
func (b *book) unasked() (lacking amounts) {
	for _, each := range b.asides {
		if each.asked == 0 {
			each.asked = b.sequence
			lacking = lacking.plus(each.most)
		}
	}
	return lacking
}

// serveAsides sets aside what those need who wait, as far as it is there. Those whose statement
// has been answered wait no longer.
func (b *book) serveAsides(now time.Time) {
	b.asides = slices.DeleteFunc(b.asides, func(each *aside) bool {
		held := b.draw(each.most, now)
		answered := each.asked != 0 && (len(b.unconfirmed) == 0 || b.unconfirmed[0].sequence > each.asked)
		if held || answered {
			each.done <- held
		}
		return held || answered
	})
}
