package auth

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// attemptBurst is how many wrong keys may come from an address in a row, and
	// attemptPause how long each further one takes to be forgiven.
	attemptBurst = 8
	attemptPause = 10 * time.Second
	// maxAddresses bounds the memory, at about 100 bytes an address.
	maxAddresses = 4096
	// evictionLooks is how many addresses are looked at to find one to forget.
	evictionLooks = 16
)

// attempts counts the wrong keys of each address, at the login and everywhere else
// alike. Right keys are never counted, nor refused for the wrong ones: so nobody can
// keep out anybody else. It is safe for concurrent use.
//
// It counts in time: an address has a moment at which all its wrong keys will be
// forgiven, and each one moves that moment by the pause, up to the burst.
type attempts struct {
	now      func() time.Time
	mu       sync.Mutex
	forgiven map[netip.Addr]time.Time
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, forgiven: map[netip.Addr]time.Time{}}
}

// wrong counts a wrong key. It returns zero within the burst, else how long the address
// is to wait.
func (a *attempts) wrong(from netip.Addr) time.Duration {
	from = network(from)
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	forgiven := a.forgiven[from]
	if forgiven.Before(now) {
		forgiven = now
	}
	forgiven = forgiven.Add(attemptPause)
	if wait := forgiven.Sub(now) - attemptBurst*attemptPause; wait > 0 {
		return wait
	}
	a.makeRoom(from, now)
	a.forgiven[from] = forgiven
	return 0
}

// areSpent tells whether the next wrong key of an address is one too many.
func (a *attempts) areSpent(from netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.forgiven[network(from)].Sub(a.now()) > (attemptBurst-1)*attemptPause
}

// makeRoom forgets an address where there is no room for one more: the one of a few
// that would be forgiven first.
func (a *attempts) makeRoom(from netip.Addr, now time.Time) {
	if _, known := a.forgiven[from]; known || len(a.forgiven) < maxAddresses {
		return
	}
	var soonest netip.Addr
	looks := 0
	for address, at := range a.forgiven { // in no particular order
		if looks == 0 || at.Before(a.forgiven[soonest]) {
			soonest = address
		}
		if looks++; looks == evictionLooks || at.Before(now) {
			break
		}
	}
	delete(a.forgiven, soonest)
}

// network is what an address is counted as. Whoever has one address of a /64 has all of
// them.
func network(address netip.Addr) netip.Addr {
	if address.Is6() {
		prefix, _ := address.Prefix(64)
		return prefix.Addr()
	}
	return address
}
