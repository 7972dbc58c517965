package auth_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/proto/service/secret"
)

// gateOf is a replica's gate: what it was configured with, and what was revoked.
func gateOf(adminToken, shared string, revoked ...string) *auth.Gate {
	gate := auth.New(secret.New(adminToken), func() []byte { return nil })
	gate.UseSessions(auth.Sessions{Secret: secret.New(shared), Revoked: func(id string) bool {
		return strings.Contains(strings.Join(revoked, " "), id)
	}})
	return gate
}

func open(t *testing.T, gate *auth.Gate) auth.Session {
	t.Helper()
	session, ok := gate.Open(time.Now())
	if !ok {
		t.Fatal("no session")
	}
	return session
}

// request is one that the browser of this session sends.
func request(method string, session auth.Session, change func(*http.Request)) *http.Request {
	r := httptest.NewRequest(method, "http://carousel.test/admin/api/tokens", nil)
	r.AddCookie(session.Cookie(r))
	if change != nil {
		change(r)
	}
	return r
}

func TestSessionHolds(t *testing.T) {
	t.Parallel()
	here := gateOf("right", "shared")
	session := open(t, here)
	tampered := func(change func(parts []string)) func(*http.Request) {
		return func(r *http.Request) {
			cookie, _ := r.Cookie("carousel_session")
			parts := strings.Split(cookie.Value, ".")
			change(parts)
			r.Header.Set("Cookie", "carousel_session="+strings.Join(parts, "."))
		}
	}
	generated := auth.New(secret.Value{}, func() []byte { return nil })
	generated.UseSessions(auth.Sessions{Secret: secret.New("shared")})
	cases := []struct {
		name   string
		gate   *auth.Gate
		change func(*http.Request)
		want   bool
	}{
		{"where it was opened", here, nil, true},
		{"on another replica", gateOf("right", "shared"), nil, true},
		{"revoked", gateOf("right", "shared", session.ID), nil, false},
		{"another one revoked", gateOf("right", "shared", "another"), nil, true},
		{"another secret", gateOf("right", "other"), nil, false},
		{"another secret is coming", gateOf("right", "shared,other"), nil, true},
		{"another secret has come", gateOf("right", "other\nshared\n"), nil, true},
		{"its secret is gone", gateOf("right", "other,third"), nil, false},
		{"revoked while the secret changes", gateOf("right", "other,shared", session.ID), nil, false},
		{"no secret: another process's", gateOf("right", ""), nil, false},
		{"another admin token", gateOf("new", "shared"), nil, false},
		{"the admin token is not known yet", generated, nil, false},
		{"a gate without sessions", auth.New(secret.New("right"), nil), nil, false},
		{"another id", here, tampered(func(parts []string) { parts[0] = "A" + parts[0][1:] + "B" }), false},
		{"a later end", here, tampered(func(parts []string) { parts[1] = "9" + parts[1][1:] }), false},
		{"the same end, written differently", here, tampered(func(parts []string) { parts[1] = "0" + parts[1] }), false},
		{"an end that is no number", here, tampered(func(parts []string) { parts[1] = "never" }), false},
		{"no signature", here, tampered(func(parts []string) { parts[2] = "" }), false},
		{"the CSRF token as its signature", here, tampered(func(parts []string) { parts[2] = session.CSRF }), false},
		{"one part too many", here, tampered(func(parts []string) { parts[2] += ".x" }), false},
		{"nothing", here, func(r *http.Request) { r.Header.Del("Cookie") }, false},
		{"garbage", here, func(r *http.Request) { r.Header.Set("Cookie", "carousel_session=garbage") }, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request(http.MethodGet, session, c.change)
			got, ok := c.gate.Session(r)
			if ok != c.want {
				t.Fatalf("valid: %v, want %v", ok, c.want)
			}
			if ok && got != session {
				t.Errorf("another session: %+v, want %+v", got, session)
			}
			if err := c.gate.Admit(r); (err == nil) != c.want {
				t.Errorf("admit: %v", err)
			}
		})
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := gateOf("right", "shared")
		r := request(http.MethodGet, open(t, gate), nil)
		time.Sleep(auth.SessionLife - 2*time.Second)
		if _, ok := gate.Session(r); !ok {
			t.Error("it ended before its time")
		}
		time.Sleep(2 * time.Second)
		if _, ok := gate.Session(r); ok {
			t.Error("it did not end")
		}
	})
}

func TestSessionsOfOneProcess(t *testing.T) {
	t.Parallel()
	gate := gateOf("right", "")
	if gate.Admit(request(http.MethodGet, open(t, gate), nil)) != nil {
		t.Error("without a shared secret a session does not hold even here")
	}
}

func TestSessionIDs(t *testing.T) {
	t.Parallel()
	gate := gateOf("right", "shared")
	one, other := open(t, gate), open(t, gate)
	if one.ID == other.ID || one.CSRF == other.CSRF {
		t.Error("two alike")
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{24}$`).MatchString(one.ID) {
		t.Errorf("id %q is not of the documented form", one.ID)
	}
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	gate := gateOf("right", "shared")
	session := open(t, gate)
	set := func(pairs ...string) func(*http.Request) {
		return func(r *http.Request) {
			for i := 0; i < len(pairs); i += 2 {
				r.Header.Set(pairs[i], pairs[i+1])
			}
		}
	}
	const csrf = auth.CSRFHeader
	cases := []struct {
		name, method string
		change       func(*http.Request)
		want         chat.Kind // empty: admitted
	}{
		{"reading", http.MethodGet, nil, ""},
		{"the headers only", http.MethodHead, nil, ""},
		{"a change with the CSRF token", http.MethodPost, set(csrf, session.CSRF), ""},
		{"from the same origin", http.MethodPatch, set(csrf, session.CSRF, "Origin", "http://carousel.test"), ""},
		{"as the browser says, too", http.MethodDelete, set(csrf, session.CSRF, "Sec-Fetch-Site", "same-origin"), ""},
		{"a change without it", http.MethodPost, nil, chat.Forbidden},
		{"with a wrong one", http.MethodDelete, set(csrf, session.CSRF+"x"), chat.Forbidden},
		{"with another session's", http.MethodPut, set(csrf, open(t, gate).CSRF), chat.Forbidden},
		{"from another site", http.MethodPost, set(csrf, session.CSRF, "Sec-Fetch-Site", "cross-site"), chat.Forbidden},
		{"from another subdomain", http.MethodPost, set(csrf, session.CSRF, "Sec-Fetch-Site", "same-site"), chat.Forbidden},
		{"from another origin", http.MethodPost, set(csrf, session.CSRF, "Origin", "http://evil.test"), chat.Forbidden},
		{"the bearer token needs no CSRF token", http.MethodPost, set("Authorization", "Bearer right", "Origin", "http://evil.test"), ""},
		{"a wrong bearer token counts, not the session", http.MethodGet, set("Authorization", "Bearer wrong"), chat.Unauthenticated},
		{"no session", http.MethodPost, func(r *http.Request) { r.Header.Del("Cookie") }, chat.Unauthenticated},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := gate.Admit(request(c.method, session, c.change))
			if c.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			if failure, ok := errors.AsType[*chat.Error](err); !ok || failure.Kind != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// What kind of caller a request is from is known without counting anything.
func TestKindsOfAdmins(t *testing.T) {
	t.Parallel()
	gate := gateOf("right", "shared")
	session := open(t, gate)
	with := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for range 20 {
		for _, c := range []struct {
			change func(*http.Request)
			want   caller.Kind
		}{
			{nil, caller.Session},
			{with("Authorization", "Bearer right"), caller.Admin},
			{with("Authorization", "Bearer wrong"), ""},
			{with("Cookie", "carousel_session=wrong"), ""},
		} {
			if got := gate.Kind(request(http.MethodPost, session, c.change)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		}
	}
	r := request(http.MethodPost, session, with(auth.CSRFHeader, session.CSRF))
	if sender, err := gate.Caller(r, keyHeaders, all, time.Now()); err != nil || sender.Kind != caller.Session {
		t.Errorf("a chat from a page: %+v, %v", sender, err)
	}
}

// A GET with effects must not be had by a link that the browser follows.
func TestAdmitChange(t *testing.T) {
	t.Parallel()
	gate := gateOf("right", "shared")
	session := open(t, gate)
	for _, c := range []struct {
		name   string
		header []string
		want   bool
	}{
		{"a link", []string{auth.CSRFHeader, ""}, false},
		{"a page's script", []string{auth.CSRFHeader, session.CSRF}, true},
		{"the admin token", []string{"Authorization", "Bearer right"}, true},
		{"another token", []string{"Authorization", "Bearer wrong"}, false},
	} {
		r := request(http.MethodGet, session, func(r *http.Request) { r.Header.Set(c.header[0], c.header[1]) })
		if err := gate.AdmitChange(r); (err == nil) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestCookie(t *testing.T) {
	t.Parallel()
	session := open(t, gateOf("right", "shared"))
	plain := httptest.NewRequest(http.MethodPost, "http://carousel.test/admin/login", nil)
	encrypted := httptest.NewRequest(http.MethodPost, "http://carousel.test/admin/login", nil)
	encrypted.TLS = &tls.ConnectionState{}
	proxied := httptest.NewRequest(http.MethodPost, "http://carousel.test/admin/login", nil)
	proxied.Header.Set("X-Forwarded-Proto", "https")
	for _, c := range []struct {
		name   string
		r      *http.Request
		secure bool
	}{{"plain", plain, false}, {"TLS", encrypted, true}, {"TLS at the proxy", proxied, true}} {
		for _, cookie := range []*http.Cookie{session.Cookie(c.r), auth.NoCookie(c.r)} {
			if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Secure != c.secure {
				t.Errorf("%s: %s", c.name, cookie)
			}
			if strings.HasPrefix(cookie.Name, "__Host-") != c.secure {
				t.Errorf("%s: it is called %s", c.name, cookie.Name)
			}
		}
	}
	// Over HTTPS a cookie that a host beside this one may have set does not count.
	gate := gateOf("right", "shared")
	for _, holds := range []bool{true, false} {
		r := httptest.NewRequest(http.MethodGet, "https://carousel.test/admin/", nil)
		cookie := session.Cookie(r)
		if !holds {
			cookie.Name = "carousel_session"
		}
		r.AddCookie(cookie)
		if _, ok := gate.Session(r); ok != holds {
			t.Errorf("%s: %t", cookie.Name, ok)
		}
	}
	if auth.NoCookie(plain).MaxAge >= 0 {
		t.Error("the cookie is not removed")
	}
}
