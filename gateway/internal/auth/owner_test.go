package auth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/proto/cursor/checksum"
)

// Whose a request is depends on the key alone, not on where it stands and what stands behind
// it; a page's session is the admin's.
func TestOwnersOfRequests(t *testing.T) {
	t.Parallel()
	gate := gateOf("right", "shared")
	another := gateOf("left", "shared")
	session := open(t, gate)
	sum := checksum.Material{DeviceID: device, MACHash: mac}
	const admin, guest = "the admin's", "the guest's"
	owners := map[string]map[[32]byte]bool{admin: {}, guest: {}, "another admin's": {}}
	for _, c := range []struct {
		whose    string
		gate     *auth.Gate
		target   string
		name, in string // of a header
		session  bool
	}{
		{admin, gate, "/v1/x", "Authorization", "Bearer right", false},
		{admin, gate, "/v1/x", "Authorization", "bearer  right", false},
		{admin, gate, "/v1/x", "X-Api-Key", "right", false},
		{admin, gate, "/v1/x", "Api-Key", "right", false},
		{admin, gate, "/v1/x?key=right", "", "", false},
		{admin, gate, "/v1/x", "Authorization", "Bearer right::work", false},
		{admin, gate, "/v1/x", "Authorization", "Bearer right::home", false},
		{admin, gate, "/v1/x", "", "", true},
		{guest, gate, "/v1/x", "Authorization", "Bearer " + sessionToken + "," + oldSum, false},
		{guest, gate, "/v1/x", "X-Api-Key", sessionToken + "," + sum.At(callTime), false},
		{guest, another, "/v1/x", "X-Api-Key", sessionToken + "," + sum.At(callTime), false},
		{"another admin's", another, "/v1/x", "Authorization", "Bearer left", false},
	} {
		r := httptest.NewRequest(http.MethodPost, c.target, nil)
		if c.name != "" {
			r.Header.Set(c.name, c.in)
		}
		now := callTime
		if c.session {
			now = time.Now()
			r = request(http.MethodPost, session, func(r *http.Request) { r.Header.Set(auth.CSRFHeader, session.CSRF) })
		}
		auth.TakeKey(r, keyHeaders, true)
		sender, err := c.gate.Caller(r, keyHeaders, all, now)
		if err != nil || sender.Owner == [32]byte{} {
			t.Fatalf("%+v: %v", c, err)
		}
		owners[c.whose][sender.Owner] = true
	}
	seen := map[[32]byte]bool{}
	for whose, keys := range owners {
		for owner := range keys {
			if len(keys) != 1 || seen[owner] {
				t.Errorf("%s: %d owners, seen before: %t", whose, len(keys), seen[owner])
			}
			seen[owner] = true
		}
	}
}
