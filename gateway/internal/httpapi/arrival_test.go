package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/anthropic"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/forwarded"
	"carousel.internal/gateway/internal/httpapi"
)

// A base URL that ends in a slash, glued to its path without a look, reaches the route.
func TestSlashesTooMany(t *testing.T) {
	t.Parallel()
	e := newEdge(t, says(nil, greeting...), nil)
	for _, path := range []string{"//v1/chat/completions", "/v1//chat/completions", "/v1/chat/completions/", "//v1///chat//completions//"} {
		r := request(t, http.MethodPost, "/", key, hello)
		r.URL.Path = path
		if w := do(t, e, r); w.Code != http.StatusOK {
			t.Errorf("POST %s: %d %s", path, w.Code, w.Body)
		}
		r = request(t, http.MethodOptions, "/", "", "")
		r.URL.Path = path
		r.Header.Set("Origin", "https://app.example")
		r.Header.Set("Access-Control-Request-Method", "POST")
		if w := do(t, e, r); w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("OPTIONS %s: %d %v", path, w.Code, w.Header())
		}
	}
	for _, path := range []string{"//health", "//admin/api/tokens", "/health/"} { // not an API's
		r := request(t, http.MethodGet, "/", key, "")
		r.URL.Path = path
		if w := do(t, e, r); w.Code != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
}

// Who is near a route is told its address.
func TestTheRightAddressIsNamed(t *testing.T) {
	t.Parallel()
	for prefix, right := range map[string]string{"": "/v1/chat/completions", "/api": "/api/v1/chat/completions"} {
		e := newEdge(t, says(nil, greeting...), func(d *httpapi.Deps) { d.Options.RoutePrefix = prefix })
		for _, path := range []string{"/chat/completions", "/v1/v1/chat/completions", "/openai/chat/completions"} {
			w := do(t, e, request(t, http.MethodPost, path, key, hello))
			if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "the right address is "+right) {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	}
}

// Who errs in the base is answered in the dialect that the end of the path is of, whatever
// the headers say.
func TestAWrongBaseIsAnsweredInTheDialectMeant(t *testing.T) {
	t.Parallel()
	const version = "2023-06-01"
	for _, prefix := range []string{"", "/api"} {
		for _, c := range []struct {
			path, version string
			messages      bool
		}{
			{"/messages", "", true},
			{"/v1/v1/messages", "", true},
			{"/v1/v1/messages/", "", true},
			{"/anthropic/v1/messages/count_tokens", "", true},
			{"/chat/completions", version, false},
			{"/v1/v1/chat/completions", version, false},
			{"/v1/threads/t1/messages", "", false},
			{"/v1/models/of/messages", "", false},
			{"/v1/models/of/messages", version, true},
			{"/models", version, true},
			{"/models", "", false},
		} {
			e := newEdge(t, nil, func(d *httpapi.Deps) {
				d.Dialects, d.Options.RoutePrefix = []dialect.Dialect{openai.API{}, anthropic.API{}}, prefix
			})
			path := c.path
			if strings.HasPrefix(path, "/v1/") {
				path = prefix + path
			}
			r := request(t, http.MethodGet, path, "", "")
			if c.version != "" {
				r.Header.Set("Anthropic-Version", c.version)
			}
			w := do(t, e, r)
			if got := strings.HasPrefix(w.Body.String(), `{"type":"error"`); w.Code != http.StatusNotFound || got != c.messages || (w.Header().Get("Request-Id") != "") != c.messages {
				t.Errorf("%s, version %q: %d %s", path, c.version, w.Code, w.Body)
			}
		}
	}
}

func TestKeysInOtherPlaces(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, target, header, value string
		status                      int
	}{
		{"x-api-key", "/v1/chat/completions", "X-Api-Key", "right", 200},
		{"api-key", "/v1/chat/completions", "Api-Key", "right", 200},
		{"query", "/v1/chat/completions?key=right", "", "", 200},
		{"query and slashes", "/v1/chat/completions/?key=right", "", "", 200},
		{"a wrong one", "/v1/chat/completions?key=secretive", "", "", 401},
		{"a wrong one, nowhere", "/v1/nowhere?key=secretive", "", "", 404},
		{"a wrong one, glued to the path", "/v1/chat/completions;key=secretive", "", "", 404},
		{"a wrong one, without a question mark", "/v1/chat/completions&key=secretive", "", "", 404},
		{"a wrong one, with an escaped question mark", "/v1/models%3Fkey=secretive", "", "", 404},
		{"not where it is no caller's", "/health?key=secretive", "", "", 200},
		{"no scheme", "/v1/chat/completions", "Authorization", "right", 401},
	} {
		e := newEdge(t, says(nil, greeting...), nil)
		r := request(t, http.MethodPost, c.target, "", hello)
		if c.status == 200 && strings.HasPrefix(c.target, "/health") {
			r.Method = http.MethodGet
		}
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		w := do(t, e, r)
		if w.Code != c.status || strings.Contains(w.Body.String(), "no key was sent") {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if told := e.log.String() + w.Body.String(); strings.Contains(told, "secretive") {
			t.Errorf("%s: the key is told: %s", c.name, told)
		}
	}
}

// Every route that looks at a key counts the wrong ones, /health as well.
func TestWrongKeysAreCountedEverywhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where no time passes: wrong keys are forgiven in time
		e := newEdge(t, says(nil, greeting...), nil)
		for i := range 8 {
			method, path, want := http.MethodPost, "/v1/chat/completions", http.StatusUnauthorized
			if i%2 == 1 {
				method, path, want = http.MethodGet, "/health", http.StatusOK
			}
			if w := do(t, e, request(t, method, path, "Bearer wrong", hello)); w.Code != want {
				t.Fatalf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		for path, method := range map[string]string{"/v1/chat/completions": http.MethodPost, "/health": http.MethodGet} {
			w := do(t, e, request(t, method, path, "Bearer wrong", hello))
			if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "10" {
				t.Errorf("%s: %d %v", path, w.Code, w.Header())
			}
			if w := do(t, e, request(t, method, path, key, hello)); w.Code != http.StatusOK {
				t.Errorf("%s, with the right key: %d", path, w.Code)
			}
		}
	})
}

func TestRemoteIP(t *testing.T) {
	t.Parallel()
	proxies, err := forwarded.ParseProxies("192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	for peer, want := range map[string]string{"192.0.2.1:1234": "198.51.100.7", "203.0.113.5:1234": "203.0.113.5"} {
		e := newEdge(t, says(nil, greeting...), func(d *httpapi.Deps) { d.Options.Proxies = proxies })
		r := request(t, http.MethodGet, "/v1/models", "", "")
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", "203.0.113.9, 198.51.100.7")
		do(t, e, r)
		if !strings.Contains(e.log.String(), `"remote_ip":"`+want+`"`) {
			t.Errorf("from %s: %s", peer, e.log)
		}
	}
}

// What a client writes into the first line of its request does not fill the log.
func TestLongPathsAreCut(t *testing.T) {
	t.Parallel()
	e := newEdge(t, says(nil, greeting...), nil)
	long := "/" + strings.Repeat("é", 30_000)
	for _, r := range []*http.Request{
		request(t, http.MethodGet, long, "", ""),
		request(t, http.MethodDelete, "/v1/models"+long, "", ""),
		request(t, http.MethodGet, "/v1/models"+long, "", ""),
		request(t, strings.Repeat("M", 5000), "/health", "", ""),
	} {
		if w := do(t, e, r); w.Body.Len() > 600 || strings.Contains(w.Body.String(), "\ufffd") {
			t.Errorf("%d bytes: %.300s", w.Body.Len(), w.Body)
		}
	}
	for line := range strings.Lines(e.log.String()) {
		if len(line) > 1200 {
			t.Errorf("%d bytes in the log: %.300s", len(line), line)
		}
	}
}
