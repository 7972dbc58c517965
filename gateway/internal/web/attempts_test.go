package web

import (
	"net/http"
	"net/netip"
	"testing"
	"time"
)

func TestAttempts(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	a := newAttempts(func() time.Time { return now })
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range attemptBurst {
		if wait := a.allow(here); wait > 0 {
			t.Fatalf("attempt %d has to wait %v", i, wait)
		}
	}
	if wait := a.allow(here); wait != attemptPause {
		t.Errorf("one too many waits %v", wait)
	}
	if wait := a.allow(there); wait > 0 {
		t.Errorf("another address waits %v", wait)
	}
	now = now.Add(attemptPause)
	if a.allow(here) > 0 || a.allow(here) == 0 {
		t.Error("a pause does not allow one more")
	}
	a.forgive(here)
	if a.allow(here) > 0 {
		t.Error("the one who knew the token still waits")
	}
}

func TestAttemptsOfAllTogether(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	a := newAttempts(func() time.Time { return now })
	allowed := 0
	for i := range 3 * mostAddresses {
		if a.allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})) == 0 {
			allowed++
		}
		now = now.Add(everyPause / 2)
	}
	if most := everyBurst + 3*mostAddresses/2 + 1; allowed > most {
		t.Errorf("%d attempts were allowed, %d may be", allowed, most)
	}
	if len(a.forgiven) > mostAddresses {
		t.Errorf("%d addresses are remembered", len(a.forgiven))
	}
}

func TestAddressOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, remote, forwarded, want string }{
		{"direct", "192.0.2.1:1", "", "192.0.2.1"},
		{"a public peer is not believed", "192.0.2.1:1", "198.51.100.1", "192.0.2.1"},
		{"behind a proxy", "10.0.0.1:1", "198.51.100.1", "198.51.100.1"},
		{"what the client has made up before it", "127.0.0.1:1", "203.0.113.9, 198.51.100.1", "198.51.100.1"},
		{"nonsense", "127.0.0.1:1", "nonsense", "127.0.0.1"},
		{"a v6 network", "[2001:db8:1:2:3::4]:1", "", "2001:db8:1:2::"},
		{"v4 within v6", "[::ffff:192.0.2.1]:1", "", "192.0.2.1"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := addressOf(r).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
