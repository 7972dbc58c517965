package auth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/proto/service/secret"
)

var keyHeaders = []string{"Authorization", "X-Api-Key", "Api-Key"}

// Clients put their key where the API that they were written for has it.
func TestTakeKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, target, want, query string
		headers                   []string
	}{
		{"bearer", "/v1/x", "Bearer k", "", []string{"Authorization", "Bearer k"}},
		{"x-api-key", "/v1/x", "Bearer k", "", []string{"X-Api-Key", " k "}},
		{"api-key", "/v1/x", "Bearer k", "", []string{"Api-Key", "k"}},
		{"query", "/v1/x?key=k%2B", "Bearer k+", "", nil},
		{"query among others", "/v1/x?a=1&key=k&b=%20", "Bearer k", "a=1&b=%20", nil},
		{"query in other words", "/v1/x?%6bey=k", "Bearer k", "", nil},
		{"a bearer goes first", "/v1/x?key=q", "Bearer k", "", []string{"Authorization", "bearer k", "X-Api-Key", "x"}},
		{"another scheme does not", "/v1/x", "Bearer k", "", []string{"Authorization", "Basic a", "X-Api-Key", "k"}},
		{"nothing", "/v1/x?keys=k", "", "keys=k", nil},
		{"an empty one", "/v1/x?key=", "", "", []string{"X-Api-Key", " "}},
	} {
		r := httptest.NewRequest(http.MethodPost, c.target, nil)
		for i := 0; i < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		auth.TakeKey(r, keyHeaders, true)
		if got := r.Header.Get("Authorization"); !strings.EqualFold(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if r.URL.RawQuery != c.query || strings.Contains(r.RequestURI, "key=") {
			t.Errorf("%s: the query is %q, of %q", c.name, r.URL.RawQuery, r.RequestURI)
		}
	}
	elsewhere := httptest.NewRequest(http.MethodGet, "/admin/api/usage?key=k", nil)
	if auth.TakeKey(elsewhere, keyHeaders, false); elsewhere.Header.Get("Authorization") != "" || elsewhere.URL.RawQuery != "key=k" {
		t.Errorf("where the query has no key: %v, %q", elsewhere.Header, elsewhere.URL.RawQuery)
	}
}

// Who has sent a key is told what is wrong with it, and never that there was none.
func TestARefusalSaysWhatWasSeen(t *testing.T) {
	t.Parallel()
	gate := auth.New(secret.New("right"), nil)
	for _, c := range []struct{ target, authorization, says string }{
		{"/", "", "no key was sent"},
		{"/", "right", "without its scheme"},
		{"/", "Basic cmlnaHQ=", "another scheme"},
		{"/", "Bearer", "no key behind it"},
		{"/", "Bearer Bearer right", "sent twice"},
		{"/", `Bearer "right"`, "in quotes"},
		{"/", "Bearer wrong", "the key is wrong"},
		{"/?key=right", "", "in the query"},
	} {
		r := httptest.NewRequest(http.MethodGet, c.target, nil)
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		failure := chat.AsError(gate.Authorize(r))
		if failure == nil || failure.Kind != chat.Unauthenticated || !strings.Contains(failure.Message, c.says) {
			t.Errorf("%q: %v", c.authorization, failure)
			continue
		}
		if none := strings.Contains(failure.Message, "no key was sent"); none != (c.authorization == "" && c.target == "/") {
			t.Errorf("%q: %s", c.authorization, failure.Message)
		}
		if strings.Contains(failure.Error(), "right") {
			t.Errorf("the key is repeated: %v", failure)
		}
	}
}

// Wrong keys slow down their address, wherever they are tried, and nobody else; a right
// key is taken at any time, from that address, too.
func TestWrongKeysSlowDownTheirAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := auth.New(secret.New("right"), nil)
		try := func(address, key string) chat.Kind {
			r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", nil)
			r.RemoteAddr = address
			r.Header.Set("Authorization", "Bearer "+key)
			if _, err := gate.Caller(r, keyHeaders, all, time.Now()); err != nil {
				return chat.AsError(err).Kind
			}
			return ""
		}
		const here, there = "192.0.2.1:1", "192.0.2.2:1"
		for i := range 8 {
			if got := try(here, []string{"wrong", "wrong::alias", "wrong,wrong"}[i%3]); got != chat.Unauthenticated {
				t.Fatalf("try %d: %s", i, got)
			}
		}
		if got := try(here, "wrong"); got != chat.TooManyAttempts {
			t.Errorf("one too many: %q", got)
		}
		login := httptest.NewRequest(http.MethodPost, "/admin/login", nil)
		login.RemoteAddr = here
		if verdict, wait := gate.Login(login, "wrong"); verdict != auth.Refused || wait <= 0 {
			t.Errorf("at the login: %v, %s", verdict, wait)
		}
		if verdict, wait := gate.Login(login, "right"); verdict != auth.Granted || wait != 0 {
			t.Errorf("the right one at the login: %v, %s", verdict, wait)
		}
		for _, right := range []string{"right", "right::alias"} {
			if got := try(here, right); got != "" {
				t.Errorf("%s: %q", right, got)
			}
		}
		if got := try(there, "wrong"); got != chat.Unauthenticated {
			t.Errorf("elsewhere: %q", got)
		}
		time.Sleep(10 * time.Second)
		if got := try(here, "wrong"); got != chat.Unauthenticated {
			t.Errorf("after a pause: %q", got)
		}
	})
}

// A client may send a key of its own beside this gateway's.
func TestOneOfSeveralKeysIsEnough(t *testing.T) {
	t.Parallel()
	const admin = "the-admin-token-of-this-gateway"
	for _, c := range []struct {
		bearer, other string
		admitted      bool
	}{
		{admin, "sk-another", true},
		{"sk-another", admin, true},
		{"sk-another", admin + "::home", true},
		{"sk-another", "sk-third", false},
		{"sk-another", "", false},
	} {
		gate := auth.New(secret.New(admin), nil)
		r := httptest.NewRequest(http.MethodPost, "/v1/x", nil)
		r.Header.Set("Authorization", "Bearer "+c.bearer)
		r.Header.Set("X-Api-Key", c.other)
		choice, err := gate.Caller(r, keyHeaders, all, time.Now())
		if (err == nil) != c.admitted {
			t.Errorf("%+v: %v", c, err)
		}
		if named := strings.HasSuffix(c.other, "::home"); named != (choice.Alias == "home") {
			t.Errorf("%+v: %+v", c, choice)
		}
	}
}
