package tokens

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// books are what this process uses of the keys that have limits. A request is charged with the
// most that it may use before it gets a lease, and pays what it has used. The store grants what is
// charged, and at load an allowance ahead of it; it is told in statements what became of that.
// There is a book for each key that was used within the last minute.
type books struct {
	// nudge has the session send what is due. It takes no lock.
	nudge func()
	// start is this process's, which no other has.
	start string

	mu    sync.Mutex
	byKey map[string]*book
	// unsaid are those of which a statement is to be made.
	unsaid map[string]*book
	// opened counts all there have been.
	opened uint64
}

func newBooks(nudge func()) *books {
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails
	return &books{nudge: nudge, start: hex.EncodeToString(random), byKey: map[string]*book{}, unsaid: map[string]*book{}}
}

// of returns the book of a key; mu is held.
func (b *books) of(keyID string) *book {
	found := b.byKey[keyID]
	if found == nil {
		b.opened++
		found = &book{id: b.start + "-" + strconv.FormatUint(b.opened, 36), keyID: keyID, drawn: time.Now()}
		b.byKey[keyID] = found
	}
	return found
}

// note keeps a book among those that have something to say; mu is held.
func (b *books) note(each *book) {
	if each.unsaid {
		b.unsaid[each.keyID] = each
	}
}

// charge charges a new request to what is at hand, and reports whether that suffices. Where it
// does not, the request's demand has to bring the charge to the store.
func (b *books) charge(charge *lease.Charge) bool {
	now, most := time.Now(), amountsOf(charge.Most)
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.of(charge.KeyID)
	from.want(most, now)
	held := from.draw(most, now)
	if held && from.runsLow(now) {
		from.unsaid = true
		b.note(from)
		b.nudge()
	}
	return held
}

// draw is charge for a request that has been counted.
func (b *books) draw(charge *lease.Charge) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.of(charge.KeyID).draw(amountsOf(charge.Most), time.Now())
}

// returnedSince implements sessionBooks.
func (b *books) returnedSince(charge *lease.Charge, sent time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.of(charge.KeyID).returned.After(sent)
}

// hold charges a request whose lease the store has granted.
func (b *books) hold(charge *lease.Charge) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of(charge.KeyID).hold(amountsOf(charge.Most))
}

// pay ends a request's charge.
func (b *books) pay(charge *lease.Charge, used lease.Amounts) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	to := b.of(charge.KeyID)
	to.pay(amountsOf(charge.Most), amountsOf(used), now)
	b.note(to)
	if to.target(now) == (amounts{}) && to.isScarce(now) {
		b.nudge()
	}
}

// standing is how far a key's limits are used up; nil where that is not known.
func (b *books) standing(keyID string) []caller.Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.byKey[keyID]
	if of == nil {
		return nil
	}
	return of.standing(time.Now())
}

// nearLimits counts, by what is limited, the keys that have used up a share of that.
func (b *books) nearLimits(share float64) map[caller.Limit]int {
	now, near := time.Now(), map[caller.Limit]int{}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, each := range b.byKey {
		for _, standing := range each.standing(now) {
			if float64(standing.Used) >= share*float64(standing.Amount) {
				near[caller.Limit{Unit: standing.Unit, Period: standing.Period}]++
			}
		}
	}
	return near
}

// due implements sessionBooks.
func (b *books) due() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.unsaid) > 0
}

// busy implements sessionBooks.
func (b *books) busy(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, each := range b.byKey {
		if each.unsaid || len(each.unconfirmed) > 0 || now.Sub(each.drawn) < time.Second {
			return true
		}
	}
	return false
}

// say implements sessionBooks.
func (b *books) say(now time.Time, demands []*tokenstorev1.Demand) []*tokenstorev1.KeyStatement {
	b.mu.Lock()
	defer b.mu.Unlock()
	var statements []*tokenstorev1.KeyStatement
	say := func(each *book) {
		delete(b.unsaid, each.keyID)
		statements = append(statements, each.statement(now))
	}
	var said map[*book]bool
	for _, demand := range demands {
		charge := demand.GetCharge()
		if charge == nil {
			continue
		}
		each := b.of(charge.GetKeyId())
		if said[each] {
			continue
		}
		if said == nil {
			said = map[*book]bool{}
		}
		said[each] = true
		each.giveBack(now) // it does not suffice, and what it has may be what is wanting
		say(each)
	}
	for _, each := range b.unsaid {
		if len(statements) >= maxInMessage {
			break
		}
		say(each)
	}
	return statements
}

// confirm implements sessionBooks.
func (b *books) confirm(statements []*tokenstorev1.KeyStatement, deferred map[string]bool) {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, statement := range statements {
		if of := b.byKey[statement.GetKeyId()]; of != nil && of.id == statement.GetBook() {
			of.confirm(statement.GetSequence(), deferred[of.keyID], now)
		}
	}
}

// take implements sessionBooks.
func (b *books) take(grant *tokenstorev1.KeyGrant, charges []*lease.Charge) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.byKey[grant.GetKeyId()]
	if of == nil || of.id != grant.GetBook() {
		return false // of one that is closed
	}
	of.take(grant, charges, time.Now())
	return true
}

// resume implements sessionBooks.
func (b *books) resume() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, each := range b.byKey {
		each.resume()
		b.note(each)
	}
}

// again implements sessionBooks.
func (b *books) again(keyIDs []string) {
	if len(keyIDs) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range keyIDs {
		if of := b.byKey[id]; of != nil {
			of.unsaid = true
			b.note(of)
		}
	}
}

// giveBack implements sessionBooks.
func (b *books) giveBack(keyIDs []string, pause time.Duration) {
	if len(keyIDs) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.Contains(keyIDs, "") {
		keyIDs = slices.Collect(maps.Keys(b.byKey))
	}
	now := time.Now()
	for _, id := range keyIDs {
		of := b.byKey[id]
		if of == nil {
			continue
		}
		if until := now.Add(pause); until.After(of.pausedUntil) {
			of.pausedUntil = until
		}
		if of.giveBack(now); of.unsaid {
			b.note(of)
			b.nudge()
		}
	}
}

// tend implements sessionBooks.
func (b *books) tend(now time.Time, window time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, each := range b.byKey {
		each.tend(now, window)
		b.note(each)
		if each.isOver(now) {
			delete(b.byKey, id)
		}
	}
}
