package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	// attemptBurst is how many logins may fail in a row, and attemptPause how long
	// each further one takes to be allowed.
	attemptBurst = 8
	attemptPause = 10 * time.Second
	// everyBurst and everyPause bound the attempts from all addresses together.
	everyBurst = 100
	everyPause = 200 * time.Millisecond
	// mostAddresses bounds the memory: beyond it, the address that has been
	// waiting least is forgotten.
	mostAddresses = 4096
)

// attempts slows down the guessing of the admin token: per address, and for all
// addresses together. It is safe for concurrent use.
//
// It counts in time: an address has a moment at which all its attempts will be
// forgiven, each attempt moves that moment by the pause, and one that would move
// it further ahead than the burst is refused.
type attempts struct {
	now      func() time.Time
	mu       sync.Mutex
	forgiven map[netip.Addr]time.Time
	all      time.Time
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, forgiven: map[netip.Addr]time.Time{}}
}

// allow counts an attempt, or answers how long the address has to wait.
func (a *attempts) allow(from netip.Addr) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	own, wait := after(a.forgiven[from], now, attemptPause, attemptBurst)
	if wait > 0 {
		return wait
	}
	all, wait := after(a.all, now, everyPause, everyBurst)
	if wait > 0 {
		return wait
	}
	a.makeRoom(from, now)
	a.forgiven[from], a.all = own, all
	return 0
}

// forgive forgets the attempts of an address that has shown the right token.
func (a *attempts) forgive(from netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.forgiven, from)
}

// after moves the moment of forgiveness by one attempt, or answers the wait
// until that is allowed.
func after(forgiven, now time.Time, pause time.Duration, burst int) (time.Time, time.Duration) {
	if forgiven.Before(now) {
		forgiven = now
	}
	forgiven = forgiven.Add(pause)
	return forgiven, max(forgiven.Sub(now)-time.Duration(burst)*pause, 0)
}

func (a *attempts) makeRoom(from netip.Addr, now time.Time) {
	if _, known := a.forgiven[from]; known || len(a.forgiven) < mostAddresses {
		return
	}
	var soonest netip.Addr
	for address, at := range a.forgiven {
		if at.Before(now) {
			delete(a.forgiven, address)
		} else if !soonest.IsValid() || at.Before(a.forgiven[soonest]) {
			soonest = address
		}
	}
	if len(a.forgiven) >= mostAddresses {
		delete(a.forgiven, soonest)
	}
}

// addressOf answers where a request comes from: the peer, or, where that is in a
// private network and says for whom it forwards, the last address that it has
// added. A v6 network counts as one address: whoever has one has all of it.
func addressOf(r *http.Request) netip.Addr {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	address, _ := netip.ParseAddr(host)
	if address.IsPrivate() || address.IsLoopback() {
		chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if forwarded, err := netip.ParseAddr(strings.TrimSpace(chain[len(chain)-1])); err == nil {
			address = forwarded
		}
	}
	address = address.Unmap().WithZone("")
	if address.Is6() {
		network, _ := address.Prefix(64)
		return network.Addr()
	}
	return address
}
