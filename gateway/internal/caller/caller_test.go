package caller_test

import (
	"net/netip"
	"testing"
	"time"

	"carousel.internal/gateway/internal/caller"
)

func TestModelsOfAKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		models []string
		model  string
		may    bool
	}{
		{nil, "gpt-4o", true},
		{[]string{"gpt-4o"}, "gpt-4o", true},
		{[]string{"gpt-4o"}, "gpt-4o-mini", false},
		{[]string{"o3", "claude-*"}, "claude-sonnet-4-5", true},
		{[]string{"claude-*"}, "gpt-4o", false},
		{[]string{"*"}, "anything", true},
	} {
		if key := (caller.Key{Models: c.models}); key.MayUse(c.model) != c.may {
			t.Errorf("%q of %q: want %t", c.model, c.models, c.may)
		}
	}
}

func TestNetworksOfAKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		networks []string
		address  string
		admitted bool
	}{
		{nil, "192.0.2.1", true},
		{nil, "", true},
		{[]string{"192.0.2.0/24"}, "192.0.2.1", true},
		{[]string{"192.0.2.0/24"}, "::ffff:192.0.2.1", true},
		{[]string{"192.0.2.0/24"}, "198.51.100.1", false},
		{[]string{"192.0.2.0/24", "2001:db8::/32"}, "2001:db8::1", true},
		{[]string{"2001:db8::/32"}, "192.0.2.1", false},
		{[]string{"0.0.0.0/0"}, "", false},
	} {
		key := caller.Key{}
		for _, network := range c.networks {
			key.Networks = append(key.Networks, netip.MustParsePrefix(network))
		}
		var address netip.Addr
		if c.address != "" {
			address = netip.MustParseAddr(c.address)
		}
		if key.Admits(address) != c.admitted {
			t.Errorf("%q from %q: want %t", c.networks, c.address, c.admitted)
		}
	}
}

func TestExpiryOfAKey(t *testing.T) {
	t.Parallel()
	end := time.Unix(100, 0)
	for _, c := range []struct {
		expires, now time.Time
		expired      bool
	}{
		{time.Time{}, end, false},
		{end, end.Add(-1), false},
		{end, end, true},
	} {
		if key := (caller.Key{ExpiresAt: c.expires}); key.Expired(c.now) != c.expired {
			t.Errorf("ends %v, now %v: want %t", c.expires, c.now, c.expired)
		}
	}
}

func TestScopesOfAKey(t *testing.T) {
	t.Parallel()
	read, write := []caller.Scope{caller.PoolRead}, []caller.Scope{caller.PoolWrite}
	for _, c := range []struct {
		scopes []caller.Scope
		scope  caller.Scope
		may    bool
	}{
		{nil, caller.PoolRead, false},
		{nil, caller.PoolWrite, false},
		{read, caller.PoolRead, true},
		{read, caller.PoolWrite, false},
		{write, caller.PoolRead, true},
		{write, caller.PoolWrite, true},
	} {
		if key := (caller.Key{Scopes: c.scopes}); key.MayDo(c.scope) != c.may {
			t.Errorf("%q for %q: want %t", c.scopes, c.scope, c.may)
		}
	}
}
