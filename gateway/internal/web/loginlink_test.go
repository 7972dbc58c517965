package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/web"
	"carousel.internal/proto/service/secret"
)

// enter sends a request to the page of login links as a browser on this machine does; method POST
// posts the link.
func (s *site) enter(t *testing.T, method, link string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost:3000"+web.LoginLinkPath, strings.NewReader(url.Values{"link": {link}}.Encode()))
	r.RemoteAddr = "127.0.0.1:5"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.send(r, headers...)
}

func TestLoginLink(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// link makes what is posted of the secret.
		link    func(t *testing.T, site *site, secret string) string
		headers []string
		status  int
		form    bool
	}{
		"the secret": {func(_ *testing.T, _ *site, secret string) string { return secret }, nil, 303, false},
		"the whole link": {func(_ *testing.T, _ *site, secret string) string {
			return " http://localhost:3000/admin/enter#" + secret + "\n"
		}, nil, 303, false},
		"another":           {func(*testing.T, *site, string) string { return "ANOTHER" }, nil, 401, true},
		"nothing":           {func(*testing.T, *site, string) string { return "" }, nil, 401, true},
		"the admin token":   {func(*testing.T, *site, string) string { return "right" }, nil, 401, true},
		"too late":          {func(_ *testing.T, _ *site, secret string) string { time.Sleep(auth.LoginLinkLife); return secret }, nil, 410, false},
		"from a page":       {func(_ *testing.T, _ *site, secret string) string { return secret }, []string{"Sec-Fetch-Site", "cross-site"}, 403, true},
		"of another origin": {func(_ *testing.T, _ *site, secret string) string { return secret }, []string{"Origin", "http://evil.test"}, 403, true},
		"a second time": {func(t *testing.T, site *site, secret string) string {
			t.Helper()
			if w := site.enter(t, http.MethodPost, secret); w.Code != 303 {
				t.Errorf("at first: %d", w.Code)
			}
			site.store.kept = nil
			return secret
		}, nil, 410, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				site := newSite(t, full())
				w := site.enter(t, http.MethodPost, c.link(t, site, site.gate.LoginLink()), c.headers...)
				cookies := w.Result().Cookies()
				if w.Code != c.status || (len(cookies) == 1) != (c.status == 303) || slices.Equal(site.store.kept, []string{"login by link"}) != (c.status == 303) {
					t.Fatalf("%d, cookies %v, audit log %v", w.Code, cookies, site.store.kept)
				}
				if c.status != 303 {
					page := parse(t, w.Body)
					if text(page.byID("problem")) == "" || (page.byID("link") != nil) != c.form || !strings.Contains(text(page.root), "Log in with the admin token") {
						t.Errorf("the page is\n%s", text(page.root))
					}
					return
				}
				if cookies[0].SameSite != http.SameSiteStrictMode || !cookies[0].HttpOnly || w.Header().Get("Location") != "/admin/" {
					t.Errorf("cookie %v, to %s", cookies[0], w.Header().Get("Location"))
				}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/", nil)
				r.AddCookie(cookies[0])
				if w := site.send(r); w.Code != 200 {
					t.Errorf("after the login: %d", w.Code)
				}
			})
		})
	}
}

// What only looks at the link, a preview of it or a browser that fetches ahead, does not use it.
func TestLookingAtALoginLinkDoesNotUseIt(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	link := site.gate.LoginLink()
	for _, method := range []string{http.MethodHead, http.MethodGet, http.MethodGet} {
		if w := site.enter(t, method, link); w.Code != 200 || len(w.Result().Cookies()) != 0 {
			t.Errorf("%s: %d, %v", method, w.Code, w.Result().Cookies())
		}
	}
	if w := site.enter(t, http.MethodPost, link); w.Code != 303 {
		t.Errorf("afterwards: %d", w.Code)
	}
}

// From elsewhere neither the page nor a right link is of use, and the link stays as good as it was.
func TestALoginLinkIsOfThisMachine(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	link := site.gate.LoginLink()
	for _, c := range []struct{ remote, host string }{{"192.0.2.1:5", "localhost:3000"}, {"127.0.0.1:5", "tunnel.example"}} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequestWithContext(t.Context(), method, "http://"+c.host+web.LoginLinkPath, strings.NewReader("link="+link))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.RemoteAddr = c.remote
			if w := site.send(r); w.Code != 403 || !strings.Contains(w.Body.String(), "only in a browser on the machine") {
				t.Errorf("%s from %s to %s: %d", method, c.remote, c.host, w.Code)
			}
		}
	}
	if w := site.enter(t, http.MethodPost, link); w.Code != 303 {
		t.Errorf("afterwards: %d", w.Code)
	}
}

func TestWrongLoginLinksAreSlowedDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where no time passes: guesses are forgiven in time
		site := newSite(t, full())
		refused := 0
		for range 30 {
			if w := site.enter(t, http.MethodPost, "GUESS"); w.Code == 429 && w.Header().Get("Retry-After") == "10" {
				refused++
			}
		}
		if refused != 22 {
			t.Errorf("of 30 guesses %d were refused", refused)
		}
	})
}

// Each attempt to log in that was judged is told once, whichever way it was made.
func TestLoginsAreTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where no time passes: guesses are forgiven in time
		site := newSite(t, full())
		login := func(token string, headers ...string) {
			site.post(t, "/admin/login", url.Values{"token": {token}}, headers...)
		}
		login("right")
		login("wrong")
		login("") // nothing to judge
		login("right", "Sec-Fetch-Site", "cross-site")
		site.enter(t, http.MethodPost, "GUESS")
		site.enter(t, http.MethodPost, site.gate.LoginLink())
		if want := []string{"granted", "refused", "refused", "granted"}; !slices.Equal(site.store.logins, want) {
			t.Errorf("%q", site.store.logins)
		}
		for range 30 {
			login("wrong")
		}
		if last := site.store.logins[len(site.store.logins)-1]; last != "slowed" {
			t.Errorf("after 30 guesses: %s", last)
		}
	})
}

// Neither the log nor the answer has the secret.
func TestTheLogKnowsNoLoginLink(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	link := site.gate.LoginLink()
	w := site.enter(t, http.MethodPost, link)
	if said := site.store.access.String(); strings.Contains(said, link) || !strings.Contains(said, web.LoginLinkPath) {
		t.Errorf("the log says\n%s", said)
	}
	if strings.Contains(w.Body.String()+w.Header().Get("Location"), link) {
		t.Error("the answer has the secret")
	}
}

// Unless whoever runs the gateway wants login links, there is no such page.
func TestLoginLinksAreOff(t *testing.T) {
	t.Parallel()
	engine := gin.New()
	web.New(web.Deps{Base: jsonapi.Base{Gate: auth.New(secret.New("right"), nil)}}).Routes(engine)
	for _, route := range engine.Routes() {
		if route.Path == web.LoginLinkPath {
			t.Errorf("%s %s", route.Method, route.Path)
		}
	}
}
