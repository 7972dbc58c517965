package auth

import (
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
		if wait := a.wrong(here); wait > 0 {
			t.Fatalf("attempt %d has to wait %v", i, wait)
		}
	}
	if wait := a.wrong(here); wait != attemptPause {
		t.Errorf("one too many waits %v", wait)
	}
	if wait := a.wrong(there); wait > 0 {
		t.Errorf("another address waits %v", wait)
	}
	now = now.Add(attemptPause)
	if a.wrong(here) > 0 || a.wrong(here) == 0 {
		t.Error("a pause does not allow one more")
	}
}

// Memory is bounded, and flooding it forgets the flood rather than those who guess on.
func TestAttemptsOfManyAddresses(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	a := newAttempts(func() time.Time { return now })
	guesser := netip.MustParseAddr("192.0.2.1")
	for range 2 * attemptBurst {
		a.wrong(guesser)
	}
	for i := range 3 * maxAddresses {
		a.wrong(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if len(a.forgiven) > maxAddresses {
		t.Errorf("%d addresses are remembered", len(a.forgiven))
	}
	if a.wrong(guesser) == 0 {
		t.Error("the guesser is forgotten")
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::", "::1": "::",
	} {
		if got := network(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if network(netip.Addr{}).IsValid() {
		t.Error("no address is one")
	}
}
