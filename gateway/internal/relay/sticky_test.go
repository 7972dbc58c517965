package relay

import (
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
)

// What belongs together has one key, which doesn't say whose it is; without the
// strategy, or without a session or user, there is none.
func TestStickyKey(t *testing.T) {
	t.Parallel()
	keyOf := func(sticky bool, session, user string) string {
		r := &run{policy: Policy{Sticky: sticky}, request: &chat.Request{Session: session, User: user}}
		return r.stickyKey()
	}
	if keyOf(false, "s", "u") != "" || keyOf(true, "", "") != "" {
		t.Error("a key where none is needed")
	}
	session, user := keyOf(true, "anna", "u"), keyOf(true, "", "anna")
	if session == "" || session != keyOf(true, "anna", "other") || session != user || session == keyOf(true, "berta", "u") || strings.Contains(session, "anna") {
		t.Errorf("keys %q and %q", session, user)
	}
}

func TestADemandHasTheKey(t *testing.T) {
	t.Parallel()
	r := newRig(play(good(begin, say("Hello"))))
	r.policy.Sticky = true
	asked := newRequest()
	asked.User = "anna"
	for _, err := range r.relay.Chat(t.Context(), asked, r.choice) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if d := r.pool.demands[0]; d.Sticky == "" {
		t.Errorf("demand %+v", d)
	}
}
