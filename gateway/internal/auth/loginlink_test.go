package auth_test

import (
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/proto/service/secret"
)

// follow follows a link from one address.
func follow(t *testing.T, gate *auth.Gate, link string) auth.LinkVerdict {
	t.Helper()
	session, verdict, wait := gate.FollowLink(httptest.NewRequest("POST", "/", nil), link)
	if (session.ID != "") != (verdict == auth.LinkOpens) || wait != 0 {
		t.Errorf("session %q, verdict %d, wait %v", session.ID, verdict, wait)
	}
	return verdict
}

func TestLoginLink(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// before is what happens to the link; it answers what is followed then.
		before func(t *testing.T, gate *auth.Gate, link string) string
		want   auth.LinkVerdict
	}{
		"at once": {func(_ *testing.T, _ *auth.Gate, link string) string { return link }, auth.LinkOpens},
		"in its last second": {func(_ *testing.T, _ *auth.Gate, link string) string {
			time.Sleep(auth.LoginLinkLife - time.Second)
			return link
		}, auth.LinkOpens},
		"too late":               {func(_ *testing.T, _ *auth.Gate, link string) string { time.Sleep(auth.LoginLinkLife); return link }, auth.LinkExpired},
		"another's":              {func(*testing.T, *auth.Gate, string) string { return "another" }, auth.LinkWrong},
		"nothing":                {func(*testing.T, *auth.Gate, string) string { return "" }, auth.LinkWrong},
		"after a newer was made": {func(_ *testing.T, gate *auth.Gate, link string) string { gate.LoginLink(); return link }, auth.LinkWrong},
		"a second time": {func(t *testing.T, gate *auth.Gate, link string) string {
			t.Helper()
			if got := follow(t, gate, link); got != auth.LinkOpens {
				t.Errorf("at first: %d", got)
			}
			return link
		}, auth.LinkUsed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := gateOf("right", "shared")
				if got := follow(t, gate, c.before(t, gate, gate.LoginLink())); got != c.want {
					t.Errorf("%d, want %d", got, c.want)
				}
			})
		})
	}
}

// A gate of which no link was made takes none.
func TestNoLoginLink(t *testing.T) {
	t.Parallel()
	if got := follow(t, gateOf("right", "shared"), ""); got != auth.LinkWrong {
		t.Errorf("%d", got)
	}
}

// The session of a link is one as the admin token opens.
func TestSessionOfALoginLink(t *testing.T) {
	t.Parallel()
	gate := gateOf("right", "shared")
	session, _, _ := gate.FollowLink(httptest.NewRequest("POST", "/", nil), gate.LoginLink())
	if held, ok := gate.Session(request("GET", session, nil)); !ok || held.ID != session.ID {
		t.Error("it does not hold")
	}
}

// Whoever comes before sessions can be opened has lost nothing.
func TestALoginLinkOutlastsTheWait(t *testing.T) {
	t.Parallel()
	var known atomic.Bool
	gate := auth.New(secret.New("right"), nil)
	gate.UseSessions(auth.Sessions{Secret: secret.New("shared"), Known: known.Load})
	link := gate.LoginLink()
	if got := follow(t, gate, link); got != auth.LinkWaits {
		t.Errorf("before: %d", got)
	}
	known.Store(true)
	if got := follow(t, gate, link); got != auth.LinkOpens {
		t.Errorf("after: %d", got)
	}
}

// Of many who follow a link at once one is let in.
func TestALoginLinkOpensOnce(t *testing.T) {
	t.Parallel()
	gate := gateOf("right", "shared")
	link := gate.LoginLink()
	var opened atomic.Int32
	var following sync.WaitGroup
	for range 8 {
		following.Go(func() {
			if _, verdict, _ := gate.FollowLink(httptest.NewRequest("POST", "/", nil), link); verdict == auth.LinkOpens {
				opened.Add(1)
			}
		})
	}
	following.Wait()
	if opened.Load() != 1 {
		t.Errorf("%d sessions", opened.Load())
	}
}

func TestWrongLoginLinksAreSlowedDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where no time passes: guesses are forgiven in time
		gate := gateOf("right", "shared")
		link := gate.LoginLink()
		slowed := 0
		for range 20 {
			if _, _, wait := gate.FollowLink(httptest.NewRequest("POST", "/", nil), "guess"); wait > 0 {
				slowed++
			}
		}
		if slowed != 12 {
			t.Errorf("of 20 guesses %d were told to wait", slowed)
		}
		if got := follow(t, gate, link); got != auth.LinkOpens {
			t.Errorf("the right one is refused for the wrong ones: %d", got)
		}
	})
}
