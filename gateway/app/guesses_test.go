package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/adminapi"
	"carousel.internal/gateway/internal/web"
)

// openRoutes answer GET alike whatever key is sent, or none: nobody learns there whether it is
// right. Pages look at sessions alone, or at what is typed into them.
var openRoutes = []string{
	"/", "/about", "/api/hello", "/checksum", "/config", "/env-example", "/favicon.ico", "/get-checksum", "/get-hash", "/get-tsheader",
	"/logs", "/readme", "/static/shared-styles.css", "/static/shared.js", "/tokeninfo", "/v1/models", "/v1/models/{id}",
}

// A wrong key is slowed on every route that takes one, and the right one is taken all the same.
func TestGuessesAreSlowedOnEveryRoute(t *testing.T) {
	t.Parallel()
	g := started(t, nil)
	guarded := 0
	for _, path := range allPaths(t, g) {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			name := method + " " + path
			without := ask(t, g, method, path, "", newAddress())
			isPage := path == "/admin" || path == "/key" || strings.HasPrefix(path, "/key/") || strings.HasPrefix(path, "/admin/") && !strings.HasPrefix(path, "/admin/api/")
			takesKey := without == http.StatusUnauthorized && !isPage
			switch {
			case without == http.StatusMethodNotAllowed, path == "/health": // the latter is below
				continue
			case !takesKey:
				if !isPage && (method != http.MethodGet || !slices.Contains(openRoutes, path)) {
					t.Errorf("%s takes requests without a key: %d", name, without)
				}
				if with := ask(t, g, method, path, "wrong", newAddress()); with != without {
					t.Errorf("%s: %d without a key, %d with a wrong one", name, without, with)
				}
				continue
			}
			guarded++
			guesser := newAddress()
			for i := range 8 {
				if got := ask(t, g, method, path, fmt.Sprint("guess ", i), guesser); got != http.StatusUnauthorized {
					t.Fatalf("%s: guess %d: %d", name, i, got)
				}
			}
			if got := ask(t, g, method, path, "guess", guesser); got != http.StatusTooManyRequests {
				t.Errorf("%s: one guess too many: %d", name, got)
			}
			if got := ask(t, g, method, path, adminKey, guesser); got == http.StatusUnauthorized || got == http.StatusTooManyRequests {
				t.Errorf("%s: the right key after that: %d", name, got)
			}
			if got := ask(t, g, method, path, "wrong", newAddress()); got != http.StatusUnauthorized {
				t.Errorf("%s: a wrong key from elsewhere: %d", name, got)
			}
		}
	}
	if guarded < 50 {
		t.Errorf("only %d routes take a key", guarded)
	}
	guesser := newAddress()
	for range 8 {
		ask(t, g, "GET", "/health", "guess", guesser)
	}
	if got := ask(t, g, "GET", "/health", "guess", guesser); got != http.StatusTooManyRequests {
		t.Errorf("/health tells whoever guesses: %d", got)
	}
}

// What has the form of a client key is asked of the tokenstore, and not wrong while that is away.
func TestClientKeysAreAskedOfTheTokenstore(t *testing.T) {
	t.Parallel()
	g := started(t, nil)
	form := "sk-carousel-" + strings.Repeat("a", 16) + "-" + strings.Repeat("s", 43)
	for _, path := range []string{"/v1/key", "/v1/models", "/admin/api/tokens"} {
		if got := ask(t, g, http.MethodGet, path, form, newAddress()); got != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", path, got)
		}
	}
}

// allPaths are the paths of the public port.
func allPaths(t *testing.T, g *Gateway) []string {
	t.Helper()
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/health", nil))
	var health struct{ Endpoints []string }
	if err := json.Unmarshal(w.Body.Bytes(), &health); err != nil {
		t.Fatal(err)
	}
	table := gin.New()
	adminapi.New(adminapi.Deps{}).Routes(table)
	web.New(web.Deps{}).Routes(table)
	paths := health.Endpoints
	for _, route := range table.Routes() {
		paths = append(paths, route.Path)
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

var addresses atomic.Uint32

// newAddress is one from which nothing has come yet.
func newAddress() string {
	n := addresses.Add(1)
	return fmt.Sprintf("10.%d.%d.%d:1", n>>16&0xff, n>>8&0xff, n&0xff)
}

// ask sends a request with a key, if any, from an address, and returns the answer's status.
func ask(t *testing.T, g *Gateway, method, path, key, address string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, parameter := range []string{"{id}", ":id", ":name", "*name", ":revision", ":key"} {
		path = strings.ReplaceAll(path, parameter, "x")
	}
	r := httptest.NewRequestWithContext(ctx, method, path, nil)
	r.RemoteAddr = address
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	w := httptest.NewRecorder()
	g.handler.ServeHTTP(w, r)
	return w.Code
}
