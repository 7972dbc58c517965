package e2e_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// access says who may use a route.
type access int

const (
	open  access = iota // everyone
	admin               // the admin token
	page                // a page: without a session it leads to the login
)

// call is one row of the table: a request with the admin token, and its answer.
type call struct {
	name         string
	method, path string
	access       access
	body         string
	header       map[string]string
	// status is wanted; shape, if set, of the JSON; or code of the error object;
	// or contentType of what is no JSON; or location of a redirect.
	status      int
	shape       any
	code        string
	contentType string
	location    string
}

var errorShape = object{"error": object{"message": "string", "type": "string", "param": "string?", "code": "string?"}}

var tokenShape = object{
	"id": "string", "upstream": "string", "alias": "string", "tags": list{"string"}, "enabled": "bool", "state": "string", "token": "string",
	"fingerprint": "string", "checksum": "string", "cap": "number", "weight": "number", "in_flight": "number", "requests": "number", "failures": "number",
	"last_used_at": "string?", "last_error": "string?", "cooling_until": "string?", "expires_at": "string?", "created_at": "string", "version": "number",
	"kind": "string", "needs_login": "bool", "refresh_error": "string?", "refreshed_at": "string?", "next_refresh_at": "string?", "proxy": "string", "disabled_until": "string?",
}

var loginShape = object{
	"id": "string", "upstream": "string", "alias": "string", "token_id": "string?", "url": "string", "state": "string", "detail": "string?", "created_at": "string", "expires_at": "string",
}

type answered struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request and answers what came, without following redirects.
func send(t *testing.T, gateway *stack.Gateway, method, path, key, body string, header map[string]string) answered {
	t.Helper()
	got, err := trySend(t.Context(), t, gateway, method, path, key, body, header)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// trySend is send for goroutines that are not the test's own.
func trySend(ctx context.Context, t *testing.T, gateway *stack.Gateway, method, path, key, body string, header map[string]string) (answered, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, gateway.URL+path, strings.NewReader(body))
	if err != nil {
		return answered{}, err
	}
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := stack.Judged(t, nil).RoundTrip(request)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return answered{response.StatusCode, response.Header, content}, err
}

func (c call) check(t *testing.T, got answered) {
	t.Helper()
	if got.status != c.status {
		t.Errorf("status %d, want %d: %s", got.status, c.status, excerpt(got.body))
		return
	}
	switch {
	case c.code != "":
		shape := object{"error": object{"message": "string", "type": "string", "param": "string?", "code": text(c.code)}}
		mustHave(t, got.body, shape)
	case c.shape != nil:
		mustHave(t, got.body, c.shape)
	case c.status >= http.StatusBadRequest:
		mustHave(t, got.body, errorShape)
	}
	if c.contentType != "" && !strings.HasPrefix(got.header.Get("Content-Type"), c.contentType) {
		t.Errorf("content type %q, want %s", got.header.Get("Content-Type"), c.contentType)
	}
	if c.location != "" && got.header.Get("Location") != c.location {
		t.Errorf("location %q, want %s", got.header.Get("Location"), c.location)
	}
}

// proxied has a gateway believe the proxy that the test stands for, in front of callers of
// many addresses: wrong keys are counted by address.
var proxied = []string{"TRUSTED_PROXIES=127.0.0.1"}

var callers atomic.Uint32

// stranger is the header of a caller of an address of its own.
func stranger(header map[string]string) map[string]string {
	with := maps.Clone(header)
	if with == nil {
		with = map[string]string{}
	}
	number := callers.Add(1)
	with["X-Forwarded-For"] = fmt.Sprintf("198.51.%d.%d", number>>8&0xff, number&0xff)
	return with
}

// checkAccess tries the route without a key and with a wrong one.
func (c call) checkAccess(t *testing.T, gateway *stack.Gateway) {
	t.Helper()
	from := stranger(c.header)
	for _, key := range []string{"", "sk-wrong", stack.AdminToken + "x"} {
		got := send(t, gateway, c.method, c.path, key, c.body, from)
		switch c.access {
		case admin:
			if got.status != http.StatusUnauthorized {
				t.Errorf("with the key %q: status %d, want 401", key, got.status)
			}
			mustHave(t, got.body, errorShape)
		case page:
			if to := got.header.Get("Location"); got.status != http.StatusSeeOther || !strings.HasPrefix(to, "/admin/login") {
				t.Errorf("with the key %q: status %d to %q, want 303 to the login", key, got.status, to)
			}
		case open:
			if got.status == http.StatusUnauthorized || got.status >= http.StatusInternalServerError {
				t.Errorf("with the key %q: status %d", key, got.status)
			}
		}
	}
}

// checkHead: where there is GET there is HEAD, with the same headers and nothing else. Only
// of / clients ask whether anybody is there, and want no redirect.
func (c call) checkHead(t *testing.T, gateway *stack.Gateway, key string) {
	t.Helper()
	want := c.status
	if c.path == "/" {
		want = http.StatusOK
	}
	head := send(t, gateway, http.MethodHead, c.path, key, "", c.header)
	if head.status != want || len(head.body) > 0 {
		t.Errorf("HEAD: status %d with %d bytes, want %d with none", head.status, len(head.body), want)
	}
}
