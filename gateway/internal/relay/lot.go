package relay

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
)

// Bounds of the lot.
const (
	// maxParked is how many answers it has at a time.
	maxParked = 256
	// maxStrays is how many ids wait to be told to the other gateways.
	maxStrays = 256
	// almostHere is how long a request waits for an answer whose end is being sent.
	almostHere = 2 * time.Second
	// lookEvery is between two looks at a lease.
	lookEvery = time.Second
)

// lot has the answers that are kept open, each with its lease. Who takes one out of it has to
// settle the lease.
type lot struct {
	leases Leases
	// strayed is called when there is a new stray.
	strayed func()

	mu     sync.Mutex
	parked map[*parked]struct{}
	byCall map[string]*parked
	// strays are ids of calls whose answer another gateway may have.
	strays   []string
	closed   bool
	watchers sync.WaitGroup
}

// parked is an answer that is kept open.
type parked struct {
	kept  upstream.Kept
	owner owner
	// driver is the one that keeps it, upstreamName and model what it was for.
	driver              upstream.Driver
	upstreamName, model string
	requestID           string
	held                *lease.Lease
	// told is what it has counted so far.
	told chat.Usage
	// here is closed when its end has been sent: from then on the lot has the lease.
	here chan struct{}
	// gone is closed when it is no longer in the lot.
	gone chan struct{}
}

// owner is who a request comes from, as far as that is told.
type owner struct {
	caller               [sha256.Size]byte
	alias, session, user string
}

func newLot(leases Leases, strayed func()) *lot {
	if strayed == nil {
		strayed = func() {}
	}
	return &lot{leases: leases, strayed: strayed, parked: map[*parked]struct{}{}, byCall: map[string]*parked{}}
}

// expect makes room for an answer whose end is about to be sent, and tells whether there is
// any. It is followed by arrive or forget.
func (l *lot) expect(p *parked, perToken int) bool {
	p.here, p.gone = make(chan struct{}), make(chan struct{})
	l.mu.Lock()
	defer l.mu.Unlock()
	of := 0
	for each := range l.parked {
		if each.held.TokenID == p.held.TokenID {
			of++
		}
	}
	if l.closed || len(l.parked) >= maxParked || of >= perToken {
		return false
	}
	l.parked[p] = struct{}{}
	for _, id := range p.kept.Calls() {
		l.byCall[id] = p
	}
	return true
}

// arrive gives the lease to the lot, if the answer is still wanted.
func (l *lot) arrive(p *parked, told chat.Usage) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if isClosed(p.gone) {
		return false
	}
	p.told = told
	close(p.here)
	l.watchers.Go(func() { l.watch(p) })
	return true
}

// forget takes an answer out that does not arrive.
func (l *lot) forget(p *parked) { l.take(p) }

// take takes an answer out. It tells whether the lot had its lease, which is the caller's now.
func (l *lot) take(p *parked) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if isClosed(p.gone) {
		return false
	}
	close(p.gone)
	delete(l.parked, p)
	for _, id := range p.kept.Calls() {
		delete(l.byCall, id)
	}
	return isClosed(p.here)
}

// giveUp ends an answer that nobody goes on with. What it has said was all right.
func (l *lot) giveUp(p *parked) {
	if l.take(p) {
		p.kept.Close()
		l.leases.Settle(p.held, lease.Outcome{Model: p.model, RequestID: p.requestID})
	}
}

// watch gives an answer up when it can't go on.
func (l *lot) watch(p *parked) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for p.held.Stands(time.Now()) {
		select {
		case <-p.gone:
			return
		case <-p.kept.Done():
			l.giveUp(p)
			return
		case <-look.C:
		}
	}
	l.giveUp(p)
}

// find finds the answer that waits for one of the calls; nil where nobody here has it: then
// another gateway may. It waits for one that is on its way here.
func (l *lot) find(ctx context.Context, calls []string) *parked {
	if len(calls) == 0 {
		return nil
	}
	p := l.lookUp(calls)
	if p == nil {
		return nil
	}
	timer := time.NewTimer(almostHere)
	defer timer.Stop()
	select {
	case <-p.here:
	case <-p.gone:
	case <-timer.C:
	case <-ctx.Done():
	}
	return p
}

// place is where the answer is kept that waits for one of the calls; zero: nobody here has it.
func (l *lot) place(calls []string) catalog.Place {
	if len(calls) == 0 {
		return catalog.Place{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range calls {
		if p := l.byCall[id]; p != nil {
			return catalog.Place{Upstream: p.upstreamName, Model: p.model}
		}
	}
	return catalog.Place{}
}

func (l *lot) lookUp(calls []string) *parked {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range calls {
		if p := l.byCall[id]; p != nil {
			return p
		}
	}
	if len(l.strays) < maxStrays && !l.closed {
		l.strays = append(l.strays, calls[0]) // one is enough to find it by
		l.strayed()
	}
	return nil
}

// takeStrays are up to so many of the strays, which are forgotten.
func (l *lot) takeStrays(most int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(most, len(l.strays))
	strays := slices.Clone(l.strays[:n])
	l.strays = slices.Delete(l.strays, 0, n)
	return strays
}

// abandon gives up the answers that wait for the calls: another gateway has had the results.
func (l *lot) abandon(calls []string) {
	for _, id := range calls {
		l.mu.Lock()
		p := l.byCall[id]
		l.mu.Unlock()
		if p != nil {
			l.giveUp(p)
		}
	}
}

// close gives up all, and takes no more.
func (l *lot) close() {
	l.mu.Lock()
	l.closed = true
	all := make([]*parked, 0, len(l.parked))
	for p := range l.parked {
		all = append(all, p)
	}
	l.mu.Unlock()
	for _, p := range all {
		l.giveUp(p)
	}
	l.watchers.Wait()
}

func isClosed(channel <-chan struct{}) bool {
	select {
	case <-channel:
		return true
	default:
		return false
	}
}
