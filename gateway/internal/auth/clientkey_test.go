package auth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/proto/service/secret"
)

// keyRing is a store of client keys: each has the id of its secret.
type keyRing struct {
	mu    sync.Mutex
	keys  map[caller.Secret]*caller.Key
	until map[caller.Secret]time.Time
	err   error
	// asked are the questions, and of these suspects those of addresses that have sent too many
	// wrong keys.
	asked, suspects int
}

func (k *keyRing) Find(_ context.Context, secret caller.Secret, suspect bool) (*caller.Key, time.Time, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.asked++; suspect {
		k.suspects++
	}
	switch key := k.keys[secret]; {
	case k.err != nil:
		return nil, time.Time{}, k.err
	case key == nil:
		return nil, time.Time{}, caller.ErrUnknownKey
	default:
		return key, k.until[secret], nil
	}
}

// with adds a key, and returns its secret.
func (k *keyRing) with(name string, key caller.Key) string {
	text := clientSecret(name)
	parsed, _ := caller.ParseSecret(text)
	key.ID, key.Name = parsed.ID, name
	if k.keys == nil {
		k.keys, k.until = map[caller.Secret]*caller.Key{}, map[caller.Secret]time.Time{}
	}
	k.keys[parsed] = &key
	return text
}

// clientSecret is a secret of the right form that begins with a name of at most 16 letters.
func clientSecret(name string) string {
	return "sk-carousel-" + (name + strings.Repeat("a", 16))[:16] + "-" + strings.Repeat("s", 43)
}

func (k *keyRing) gate(admin string) *auth.Gate {
	gate := auth.New(secret.New(admin), nil)
	gate.UseKeys(k)
	return gate
}

func TestClientKeys(t *testing.T) {
	t.Parallel()
	ring := &keyRing{}
	right := ring.with("right", caller.Key{})
	disabled := ring.with("disabled", caller.Key{Disabled: true})
	expired := ring.with("expired", caller.Key{ExpiresAt: callTime})
	lasting := ring.with("lasting", caller.Key{ExpiresAt: callTime.Add(1)})
	office := ring.with("office", caller.Key{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	abroad := ring.with("abroad", caller.Key{Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}})
	replaced, old := ring.with("replaced", caller.Key{}), ring.with("old", caller.Key{})
	for text, until := range map[string]time.Time{replaced: callTime, old: callTime.Add(1)} {
		parsed, _ := caller.ParseSecret(text)
		ring.until[parsed] = until
	}
	for name, c := range map[string]struct {
		key, alias string
		kind       chat.Kind // empty: admitted
		says       string
		reason     caller.Reason
	}{
		"right":                    {right, "", "", "", ""},
		"about to expire":          {lasting, "", "", "", ""},
		"the old secret":           {old, "", "", "", ""},
		"from its network":         {office, "", "", "", ""},
		"disabled":                 {disabled, "", chat.Unauthenticated, "is disabled", caller.KeyDisabled},
		"expired":                  {expired, "", chat.Unauthenticated, "has expired, on 20", caller.KeyExpired},
		"replaced":                 {replaced, "", chat.Unauthenticated, "another secret", caller.SecretReplaced},
		"from elsewhere":           {abroad, "", chat.Forbidden, "may not be used from 192.0.2.1", caller.WrongNetwork},
		"an alias in the header":   {right, "work", chat.Forbidden, "takes the admin token", caller.NotForKeys},
		"an alias in the key":      {right + "::work", "", chat.Forbidden, "takes the admin token", caller.NotForKeys},
		"an alias, but disabled":   {disabled + "::work", "", chat.Unauthenticated, "is disabled", caller.KeyDisabled},
		"unknown":                  {clientSecret("unknown"), "", chat.Unauthenticated, "the key is wrong", caller.WrongKey},
		"unknown, with an alias":   {clientSecret("unknown") + "::work", "work", chat.Unauthenticated, "the key is wrong", caller.WrongKey},
		"not all of it was copied": {right[:40], "", chat.Unauthenticated, "was all of it copied?", caller.WrongKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := callOf(c.key, c.alias)
			r.RemoteAddr = "192.0.2.1:1"
			sender, err := ring.gate("the admin's").Caller(r, keyHeaders, all, callTime)
			if c.kind == "" {
				if err != nil || sender.Kind != caller.Client || sender.Key == nil || !strings.HasPrefix(c.key, "sk-carousel-"+sender.Key.ID) {
					t.Fatalf("%+v, %v", sender, err)
				}
				return
			}
			failure, refusal := chat.AsError(err), (*caller.Refusal)(nil)
			if failure == nil || failure.Kind != c.kind || !strings.Contains(failure.Message, c.says) {
				t.Fatalf("%+v, %v", sender, err)
			}
			if !errors.As(err, &refusal) || refusal.Reason != c.reason || (refusal.Key == nil) != (c.reason == caller.WrongKey) {
				t.Errorf("%+v", refusal)
			}
			if strings.Contains(err.Error(), "ssss") {
				t.Errorf("the secret is repeated: %v", err)
			}
		})
	}
}

// What has not the form of a client key is not asked for, nor is the admin token if it has it.
func TestOnlySecretsAreAskedFor(t *testing.T) {
	t.Parallel()
	ring := &keyRing{}
	admin := clientSecret("admin")
	gate := ring.gate(admin)
	for _, key := range []string{"", "wrong", admin, admin + "::work", clientSecret("x") + "s", "sk-carousel-" + strings.Repeat("s", 43), sessionToken + "," + oldSum} {
		_, _ = gate.Caller(callOf(key, ""), keyHeaders, all, callTime)
	}
	if ring.asked > 0 {
		t.Errorf("%d questions", ring.asked)
	}
}

// When the store can't tell, a key is not wrong.
func TestAKeyThatCannotBeCheckedIsNotWrong(t *testing.T) {
	t.Parallel()
	ring := &keyRing{err: chat.Errorf(chat.StoreUnavailable, "away")}
	gate := ring.gate("the admin's")
	for range 20 {
		if _, err := gate.Caller(callOf(clientSecret("k"), ""), keyHeaders, all, callTime); chat.AsError(err) == nil || chat.AsError(err).Kind != chat.StoreUnavailable {
			t.Fatal(err)
		}
	}
	if _, err := auth.New(secret.New("right"), nil).Caller(callOf(clientSecret("k"), ""), keyHeaders, all, callTime); chat.AsError(err) == nil || chat.AsError(err).Kind != chat.Unauthenticated {
		t.Errorf("without client keys: %v", err)
	}
}

// A client key is one of the keys of a request, wherever that has it.
func TestAClientKeyAnywhere(t *testing.T) {
	t.Parallel()
	ring := &keyRing{}
	right := ring.with("right", caller.Key{})
	owners := map[[32]byte]bool{}
	for _, c := range []struct{ target, name, value string }{
		{"/v1/x", "Authorization", "Bearer " + right},
		{"/v1/x", "X-Api-Key", right},
		{"/v1/x", "Api-Key", right},
		{"/v1/x?key=" + right, "X-Other", ""},
		{"/v1/x", "Authorization and X-Api-Key", right},
	} {
		r := httptest.NewRequest(http.MethodPost, c.target, nil)
		if c.name == "Authorization and X-Api-Key" {
			r.Header.Set("Authorization", "Bearer sk-of-the-client's-own")
			r.Header.Set("X-Api-Key", c.value)
		} else {
			r.Header.Set(c.name, c.value)
		}
		auth.TakeKey(r, keyHeaders, true)
		sender, err := ring.gate("the admin's").Caller(r, keyHeaders, all, callTime)
		if err != nil || sender.KeyName() != "right" {
			t.Errorf("%+v: %+v, %v", c, sender, err)
		}
		owners[sender.Owner] = true
	}
	if len(owners) != 1 || owners[[32]byte{}] {
		t.Errorf("%d owners", len(owners))
	}
}

// Another secret of the same key is the same owner, and another key is another.
func TestOwnersOfClientKeys(t *testing.T) {
	t.Parallel()
	ring := &keyRing{}
	one, other := ring.with("one", caller.Key{}), ring.with("other", caller.Key{})
	rotated := one[:len(one)-1] + "t"
	parsed, _ := caller.ParseSecret(rotated)
	first, _ := caller.ParseSecret(one)
	ring.keys[parsed] = ring.keys[first]
	gate := ring.gate("the admin's")
	var owners [][32]byte
	for _, text := range []string{one, rotated, other, "the admin's"} {
		sender, err := gate.Caller(callOf(text, ""), keyHeaders, all, callTime)
		if err != nil {
			t.Fatal(err)
		}
		owners = append(owners, sender.Owner)
	}
	if owners[0] != owners[1] || owners[0] == owners[2] || owners[0] == owners[3] || owners[2] == owners[3] {
		t.Errorf("%x", owners)
	}
}

// What takes the admin token tells the holder of a client key so, and counts nothing; a guess of
// one counts as everywhere.
func TestClientKeysAreNoAdmins(t *testing.T) {
	t.Parallel()
	ring := &keyRing{}
	right, disabled := ring.with("right", caller.Key{}), ring.with("disabled", caller.Key{Disabled: true})
	gate := ring.gate("the admin's")
	judge := func(text string) *chat.Error {
		r := httptest.NewRequest(http.MethodGet, "/admin/api/tokens", nil)
		r.Header.Set("Authorization", "Bearer "+text)
		return chat.AsError(gate.Admit(r))
	}
	for range 20 {
		if got := judge(right); got == nil || got.Kind != chat.Forbidden || !strings.Contains(got.Message, "a client key was sent") {
			t.Fatalf("%v", got)
		}
		if got := judge(disabled); got == nil || got.Kind != chat.Unauthenticated || !strings.Contains(got.Message, "disabled") {
			t.Fatalf("%v", got)
		}
	}
	for i := range 8 {
		if got := judge(clientSecret("guess")); got == nil || got.Kind != chat.Unauthenticated {
			t.Fatalf("guess %d: %v", i, got)
		}
	}
	if got := judge(clientSecret("guess")); got == nil || got.Kind != chat.TooManyAttempts || got.RetryAfter <= 0 {
		t.Errorf("one guess too many: %v", got)
	}
	if got := judge(right); got == nil || got.Kind != chat.Forbidden {
		t.Errorf("the right one after that: %v", got)
	}
	if got := judge("the admin's"); got != nil {
		t.Errorf("the admin after that: %v", got)
	}
}

// Where no key is needed, a client key tells who asks; one that is wrong is told so, and anything
// else is nobody's business.
func TestVisitors(t *testing.T) {
	t.Parallel()
	ring := &keyRing{}
	right := ring.with("right", caller.Key{})
	gate := ring.gate("the admin's")
	for _, c := range []struct {
		key  string
		name string
		kind chat.Kind
	}{
		{"", "", ""},
		{"the admin's", "", ""},
		{"wrong", "", ""},
		{sessionToken + "," + oldSum, "", ""},
		{right, "right", ""},
		{clientSecret("unknown"), "", chat.Unauthenticated},
	} {
		visitor, err := gate.Visitor(callOf(c.key, ""), keyHeaders, callTime)
		if visitor.KeyName() != c.name || (err == nil) != (c.kind == "") || err != nil && chat.AsError(err).Kind != c.kind {
			t.Errorf("%q: %+v, %v", c.key, visitor, err)
		}
	}
}

// A key that is typed into a page is judged, and a wrong one is slowed as everywhere.
func TestHolders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ring := &keyRing{}
		right, disabled := ring.with("right", caller.Key{}), ring.with("disabled", caller.Key{Disabled: true})
		gate := ring.gate("the admin's")
		r := httptest.NewRequest(http.MethodPost, "/key", nil)
		if key, err := gate.Holder(r, " "+right+"\n"); err != nil || key.Name != "right" {
			t.Errorf("%+v, %v", key, err)
		}
		if _, err := gate.Holder(r, disabled); chat.AsError(err) == nil || !strings.Contains(err.Error(), "disabled") {
			t.Errorf("disabled: %v", err)
		}
		for i := range 9 {
			want := chat.Unauthenticated
			if i == 8 {
				want = chat.TooManyAttempts
			}
			text := []string{"", "the admin's", clientSecret("unknown")}[i%3]
			if _, err := gate.Holder(r, text); chat.AsError(err) == nil || chat.AsError(err).Kind != want {
				t.Errorf("try %d: %v", i, err)
			}
		}
		if key, err := gate.Holder(r, right); err != nil || ring.suspects == 0 {
			t.Errorf("after that: %+v, %v", key, err)
		}
	})
}

// Only questions from an address that has sent too many wrong keys are suspect.
func TestSuspects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ring := &keyRing{}
		gate := ring.gate("the admin's")
		try := func(address, key string) {
			r := callOf(key, "")
			r.RemoteAddr = address
			_, _ = gate.Caller(r, keyHeaders, all, time.Now())
		}
		const here, there = "192.0.2.1:1", "192.0.2.2:1"
		for range 8 {
			try(here, "wrong")
		}
		for _, c := range []struct {
			address string
			wait    time.Duration
			suspect bool
		}{{here, 0, true}, {there, 0, false}, {here, 10 * time.Second, false}} {
			time.Sleep(c.wait)
			ring.suspects = 0
			if try(c.address, clientSecret("k")); ring.suspects > 0 != c.suspect {
				t.Errorf("%+v: %d", c, ring.suspects)
			}
		}
	})
}

// At /mcp a key needs a scope; the admin token needs none, and nobody else is let in.
func TestScopedKeys(t *testing.T) {
	t.Parallel()
	ring := &keyRing{}
	plain := ring.with("plain", caller.Key{})
	reader := ring.with("reader", caller.Key{Scopes: []caller.Scope{caller.PoolRead}})
	writer := ring.with("writer", caller.Key{Scopes: []caller.Scope{caller.PoolWrite}})
	disabled := ring.with("disabled", caller.Key{Disabled: true, Scopes: []caller.Scope{caller.PoolWrite}})
	expired := ring.with("expired", caller.Key{ExpiresAt: callTime, Scopes: []caller.Scope{caller.PoolWrite}})
	abroad := ring.with("abroad", caller.Key{Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Scopes: []caller.Scope{caller.PoolRead}})
	near := ring.with("near", caller.Key{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Scopes: []caller.Scope{caller.PoolRead}})
	for name, c := range map[string]struct {
		key    string
		kind   caller.Kind // of who is let in
		refuse chat.Kind
		reason caller.Reason
	}{
		"the admin":          {"the admin's", caller.Admin, "", ""},
		"who may look":       {reader, caller.Client, "", ""},
		"who may do all":     {writer, caller.Client, "", ""},
		"a key without":      {plain, "", chat.Forbidden, caller.NotForKeys},
		"disabled":           {disabled, "", chat.Unauthenticated, caller.KeyDisabled},
		"expired":            {expired, "", chat.Unauthenticated, caller.KeyExpired},
		"from elsewhere":     {abroad, "", chat.Forbidden, caller.WrongNetwork},
		"from its network":   {near, caller.Client, "", ""},
		"with an alias":      {reader + "::work", "", chat.Forbidden, caller.NotForKeys},
		"a wrong key":        {"sk-wrong", "", chat.Unauthenticated, caller.WrongKey},
		"nobody's":           {clientSecret("unknown"), "", chat.Unauthenticated, caller.WrongKey},
		"a token of his own": {"token,checksum", "", chat.Unauthenticated, caller.WrongKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := callOf(c.key, "")
			r.RemoteAddr = "192.0.2.1:1"
			from, err := ring.gate("the admin's").Scoped(r, caller.PoolRead, callTime)
			if c.refuse == "" {
				if err != nil || from.Kind != c.kind || (from.Key != nil) != (c.kind == caller.Client) {
					t.Errorf("%+v, %v", from, err)
				}
				return
			}
			refusal := (*caller.Refusal)(nil)
			if failure := chat.AsError(err); failure == nil || failure.Kind != c.refuse || !errors.As(err, &refusal) || refusal.Reason != c.reason || from.Kind != "" {
				t.Errorf("%+v, %v", from, err)
			}
		})
	}
}
