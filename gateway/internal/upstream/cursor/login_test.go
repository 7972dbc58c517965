package cursor

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
)

// logins is a driver for an upstream that answers one path.
func logins(t *testing.T, path string, answer http.HandlerFunc) *driver {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc(path, answer)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	made, err := New(upstream.Config{BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made.(*driver)
}

func TestNewLogin(t *testing.T) {
	t.Parallel()
	made, err := New(upstream.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	attempt, err := made.(upstream.Logins).NewLogin()
	if err != nil {
		t.Fatal(err)
	}
	link, err := url.Parse(attempt.URL)
	if err != nil {
		t.Fatal(err)
	}
	challenge := sha256.Sum256([]byte(attempt.Verifier.Reveal()))
	want := url.Values{
		"challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"uuid":      {attempt.UUID}, "mode": {"login"}, "redirectTarget": {"cli"},
	}
	if link.Scheme+"://"+link.Host+link.Path != "https://cursor.com/loginDeepControl" || link.Query().Encode() != want.Encode() {
		t.Errorf("the link is %s", attempt.URL)
	}
	if len(attempt.Verifier.Reveal()) != 43 || strings.Contains(attempt.URL, attempt.Verifier.Reveal()) {
		t.Error("the verifier has another length, or is in the link")
	}
}

// page is an answer of a wall in between.
func page(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html>Checking your browser</html>")
	}
}

func waiting(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "7")
	w.WriteHeader(http.StatusTooManyRequests)
}

func TestPollLogin(t *testing.T) {
	t.Parallel()
	const hidden = "the-verifier-0123456789"
	attempt := upstream.LoginAttempt{UUID: "id-1", Verifier: secret.New(hidden)}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   error
		wait   time.Duration
		other  bool
	}{
		"pending":         {text(404, ""), upstream.ErrLoginPending, 0, false},
		"refused":         {text(400, ""), upstream.ErrRefused, 0, false},
		"unknown":         {text(401, ""), upstream.ErrRefused, 0, false},
		"wrong verifier":  {text(403, `{"message":"no `+hidden+`"}`), upstream.ErrRefused, 0, false},
		"over":            {text(410, ""), upstream.ErrRefused, 0, false},
		"too often":       {waiting, nil, 7 * time.Second, false},
		"failing":         {text(500, ""), nil, 0, true},
		"a wall":          {page(403), nil, 0, true},
		"no tokens":       {text(200, `{}`), nil, 0, true},
		"no JSON":         {text(200, `hello`), nil, 0, true},
		"a token too big": {text(200, `{"accessToken":"`+strings.Repeat("x", 20<<10)+`"}`), nil, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			grant, err := logins(t, "GET /auth/poll", test.answer).PollLogin(t.Context(), attempt, secret.Value{})
			if err == nil || !grant.Access.Empty() {
				t.Fatalf("%v, %v", grant, err)
			}
			wait, is := errors.AsType[*upstream.WaitError](err)
			known := errors.Is(err, upstream.ErrRefused) || errors.Is(err, upstream.ErrLoginPending) || is
			switch {
			case test.want != nil && !errors.Is(err, test.want), test.other && known:
				t.Errorf("%v", err)
			case test.wait > 0 && (!is || wait.For != test.wait):
				t.Errorf("%v", err)
			case strings.Contains(err.Error(), hidden):
				t.Errorf("the error shows the verifier: %v", err)
			}
		})
	}
}

func TestPollLoginThatIsDone(t *testing.T) {
	t.Parallel()
	d := logins(t, "GET /auth/poll", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("uuid") != "id-1" || r.URL.Query().Get("verifier") != "v" || r.Header.Get("Authorization") != "" {
			t.Errorf("asked %s", r.URL)
		}
		_, _ = io.WriteString(w, `{"accessToken":"`+sessionToken+`","refreshToken":"again","authId":"auth0|user_1","authType":"x"}`)
	})
	grant, err := d.PollLogin(t.Context(), upstream.LoginAttempt{UUID: "id-1", Verifier: secret.New("v")}, secret.Value{})
	if err != nil || grant.Access.Reveal() != sessionToken || grant.Refresh.Reveal() != "again" || grant.ExpiresAt != time.Unix(4102444800, 0).UTC() {
		t.Errorf("%v, %v", grant.ExpiresAt, err)
	}
}

func TestRenew(t *testing.T) {
	t.Parallel()
	const path = "POST /auth/exchange_user_api_key"
	d := logins(t, path, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "{}" || r.Header.Get("Authorization") != "Bearer refresh-1" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("asked with %q, %v, %v", body, r.Header, err)
		}
		_, _ = io.WriteString(w, `{"accessToken":"no.jwt.here"}`)
	})
	grant, err := d.Renew(t.Context(), secret.New("refresh-1"), secret.Value{})
	if err != nil || grant.Access.Reveal() != "no.jwt.here" || !grant.Refresh.Empty() || !grant.ExpiresAt.IsZero() {
		t.Errorf("%v, %v", grant, err)
	}
	const hidden = "crsr_0123456789abcdef"
	for name, test := range map[string]struct {
		answer  http.HandlerFunc
		refused bool
		wait    time.Duration
	}{
		"unknown":   {text(401, `{"message":"`+hidden+` is no key"}`), true, 0},
		"forbidden": {text(403, ""), true, 0},
		"a wall":    {page(403), false, 0},
		"not found": {text(404, ""), false, 0},
		"too often": {waiting, false, 7 * time.Second},
		"failing":   {text(502, ""), false, 0},
		"empty":     {text(200, ""), false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := logins(t, path, test.answer).Renew(t.Context(), secret.New(hidden), secret.Value{})
			wait, is := errors.AsType[*upstream.WaitError](err)
			if err == nil || errors.Is(err, upstream.ErrRefused) != test.refused || is != (test.wait > 0) || is && wait.For != test.wait {
				t.Errorf("%v", err)
			}
			if err != nil && strings.Contains(err.Error(), hidden) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		made, err := New(upstream.Config{BaseURL: "http://127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		defer made.Close()
		_, err = made.(upstream.Renewer).Renew(t.Context(), secret.New(hidden), secret.Value{})
		if err == nil || errors.Is(err, upstream.ErrRefused) || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%v", err)
		}
	})
	t.Run("too late", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.Renew(ctx, secret.New(hidden), secret.Value{}); err == nil || errors.Is(err, upstream.ErrRefused) {
			t.Errorf("%v", err)
		}
	})
	t.Run("no key at all", func(t *testing.T) {
		t.Parallel()
		if _, err := d.Renew(t.Context(), secret.New("a\nb"), secret.Value{}); !errors.Is(err, upstream.ErrRefused) {
			t.Errorf("%v", err)
		}
	})
}

// What an exchange has used up must not be sent again, on whatever connection.
func TestARefreshTokenIsSentOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	d := logins(t, "POST /auth/exchange_user_api_key", func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `{"accessToken":"a"}`)
	})
	for range 2 {
		_, _ = d.Renew(t.Context(), secret.New("r"), secret.Value{})
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestExpiryOf(t *testing.T) {
	t.Parallel()
	token := func(payload string) string {
		return "x." + base64.RawURLEncoding.EncodeToString([]byte(payload)) + ".y"
	}
	for text, want := range map[string]time.Time{
		token(`{"exp":4102444800}`):   time.Unix(4102444800, 0).UTC(),
		token(`{"exp":"4102444800"}`): time.Unix(4102444800, 0).UTC(),
		token(`{"exp":-1}`):           {}, token(`{"exp":1e99}`): {}, token(`{}`): {}, token(`[]`): {}, "": {}, "a.b": {}, "a.!.c": {},
	} {
		if got := expiryOf(text); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}
