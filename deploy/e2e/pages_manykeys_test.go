package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// The page of 10,000 keys and a search in it are there in less than a tenth of a second, also soon
// after the tokenstore has started.
func TestPagesOfManyKeys(t *testing.T) {
	const size = 10_000
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	makeKeys(t, gateway, size)
	session := loginCookie(t, gateway)

	// look returns how long the quickest of some looks at a page takes: others use the machine, too.
	look := func(path, shows string) time.Duration {
		t.Helper()
		var times []time.Duration
		for range 10 {
			began := time.Now()
			got := send(t, gateway, http.MethodGet, path, "", "", map[string]string{"Cookie": session})
			times = append(times, time.Since(began))
			if got.status != http.StatusOK || !strings.Contains(string(got.body), shows) {
				t.Fatalf("%s: %d, without %q", path, got.status, shows)
			}
		}
		t.Logf("%s: %s, at worst %s", path, slices.Min(times).Round(time.Millisecond), slices.Max(times).Round(time.Millisecond))
		return slices.Min(times)
	}
	pages := func() {
		t.Helper()
		for path, shows := range map[string]string{
			"/admin/keys": "Keys: 10,000", "/admin/keys?q=key+number+77": "key number 7700", "/admin/keys?tag=tag3": "tag3",
		} {
			if took := look(path, shows); took > 100*time.Millisecond {
				t.Errorf("%s takes %s", path, took)
			}
		}
	}
	pages()
	s.Tokenstore.Stop()
	s.Tokenstore.Start()
	s.Eventually("the gateway has the tokenstore again", 30*time.Second, func() bool {
		return gateway.Admin(t, http.MethodGet, "/admin/api/settings", nil).Status == http.StatusOK
	})
	began := time.Now()
	send(t, gateway, http.MethodGet, "/admin/keys", "", "", map[string]string{"Cookie": session})
	t.Logf("the first page after the tokenstore's start: %s", time.Since(began).Round(time.Millisecond))
	pages()
}

// makeKeys makes many keys, of which each tenth has limits.
func makeKeys(t *testing.T, gateway *stack.Gateway, size int) {
	t.Helper()
	const makers = 8
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	began := time.Now()
	var making sync.WaitGroup
	for first := range makers {
		making.Go(func() {
			for i := first; i < size && ctx.Err() == nil; i += makers {
				limits := ""
				if i%10 == 0 {
					limits = `,"limits":{"requests_per_minute":60},"budgets":[{"unit":"usd","amount":"10","period":"month"}]`
				}
				body := fmt.Sprintf(`{"name":"key number %d","tags":["team","tag%d"]%s}`, i, i%10, limits)
				got, err := trySend(ctx, t, gateway, http.MethodPost, "/admin/api/keys", stack.AdminToken, body, nil)
				if err != nil || got.status != http.StatusCreated {
					t.Errorf("key %d: %d %v", i, got.status, err)
					return
				}
			}
		})
	}
	making.Wait()
	t.Logf("%d keys were made in %s", size, time.Since(began).Round(time.Millisecond))
}

// loginCookie logs in, and returns the cookie.
func loginCookie(t *testing.T, gateway *stack.Gateway) string {
	t.Helper()
	entered := send(t, gateway, http.MethodPost, "/admin/login", "", url.Values{"token": {stack.AdminToken}}.Encode(),
		map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Origin": gateway.URL})
	if entered.status != http.StatusSeeOther {
		t.Fatalf("login: %d", entered.status)
	}
	session, _, _ := strings.Cut(entered.header.Get("Set-Cookie"), ";")
	return session
}
