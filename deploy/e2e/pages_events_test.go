package e2e_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

const eventsPath = "/admin/events"

// sights are tabs that all show the tokens.
type sights struct {
	t       *testing.T
	gateway *stack.Gateway
	token   stack.Token
	tabs    []*browser.Tab
}

// streams is how many streams of events the tabs have asked for.
func (s *sights) streams() (n int) {
	for _, tab := range s.tabs {
		n += tab.Asked(eventsPath)
	}
	return n
}

// rename has an admin rename the token elsewhere, and every tab show that. All of them are told by
// the stream of one.
func (s *sights) rename(name string) {
	s.t.Helper()
	const listen = `(() => {
		window.told = [];
		window.channel ??= new BroadcastChannel('carousel-news');
		window.channel.onmessage = ({ data }) => window.told.push(data);
		return true;
	})()`
	for _, tab := range s.tabs {
		browser.Eval[bool](tab, listen)
	}
	s.gateway.MustAdmin(s.t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+s.token.ID, map[string]any{"alias": name})
	for _, tab := range s.tabs {
		tab.See("#token-table", name)
		tab.Until("the stream tells of it", "told.includes('all')")
	}
}

// Tabs of one browser share a stream of events, also when the one that has it is hidden or closed.
// All of them hear by it what changes, and that the session has ended.
func TestTabsShareAStreamOfEvents(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	token := s.AddTokens("openai", "shared", 1, 0)[0]
	first := login(t, gateway, "/admin/tokens")
	all := &sights{t: t, gateway: gateway, token: token, tabs: []*browser.Tab{first}}
	s.Eventually("the first tab has a stream", time.Minute, func() bool { return all.streams() > 0 })
	for range 2 {
		tab := first.Another()
		tab.Go(gateway.URL + "/admin/tokens")
		all.tabs = append(all.tabs, tab)
	}
	all.rename("one-stream")
	if n := first.Asked(eventsPath); n != all.streams() {
		t.Errorf("of %d streams the first tab has %d", all.streams(), n)
	}

	// One that nobody sees any more leaves the stream to another.
	hide := func(is string) string {
		return `(() => {
			Object.defineProperty(document, 'hidden', { value: ` + is + `, configurable: true });
			document.dispatchEvent(new Event('visibilitychange'));
			return true;
		})()`
	}
	had := first.Asked(eventsPath)
	browser.Eval[bool](first, hide("true"))
	all.tabs = all.tabs[1:]
	s.Eventually("another tab has the stream", time.Minute, func() bool { return all.streams() > 0 })
	all.rename("hidden")
	if n := first.Asked(eventsPath); n != had {
		t.Errorf("the hidden tab has asked for %d streams", n-had)
	}
	browser.Eval[bool](first, hide("false"))
	first.See("#token-table", "hidden")
	leader := 0
	if all.tabs[1].Asked(eventsPath) > 0 {
		leader = 1
	}
	all.tabs[leader].Close()
	all.tabs = []*browser.Tab{first, all.tabs[1-leader]}
	s.Eventually("another tab has the stream", time.Minute, func() bool { return all.streams() > had })
	all.rename("closed")
	for _, tab := range all.tabs {
		if problems := tab.Problems(); len(problems) > 0 {
			t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
		}
		tab.Expect("401")
	}

	// Whoever logs out in one tab does so in all.
	first.Follow("#logout")
	first.See("h1", "Log in")
	all.tabs[1].See("#toasts", "session")
}

// Where there is no stream pages ask by themselves, as where the site is not reached by HTTPS.
func TestPagesWithoutEvents(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	token := s.AddTokens("openai", "alone", 1, 0)[0]
	tab := login(t, gateway, "/admin/")
	tab.Before("Object.defineProperty(navigator, 'locks', { value: undefined });")
	tab.Go(gateway.URL + "/admin/tokens")
	had := tab.Asked(eventsPath)
	for _, name := range []string{"asked-once", "asked-again"} {
		gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+token.ID, map[string]any{"alias": name})
		tab.See("#token-table", name)
	}
	if n := tab.Asked(eventsPath); n != had {
		t.Errorf("%d streams were asked for", n-had)
	}
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

// A gateway that is stopped ends the streams of events, and does not cut them off.
func TestStreamsOfEventsHoldUpNoShutdown(t *testing.T) {
	s := stack.Start(t, stack.Options{Gateways: 1})
	gateway := s.Gateways[0]
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, gateway.URL+eventsPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", loginCookie(t, gateway))
	response, err := stack.Client(t).Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	hello := make([]byte, len("data: all"))
	if _, err := io.ReadFull(response.Body, hello); err != nil || string(hello) != "data: all" {
		t.Fatalf("%d %q, %v", response.StatusCode, hello, err)
	}
	gateway.Stop()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Errorf("the stream broke off: %v", err)
	}
	if log := gateway.Log(); strings.Contains(log, "cut off") {
		t.Errorf("the gateway had to cut off:\n%s", log)
	}
}
