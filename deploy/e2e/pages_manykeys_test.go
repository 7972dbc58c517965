package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// The page of 10,000 keys and a search in it take less than a tenth of a second, also soon after
// the tokenstore has started: of the pair's processors, which is what a machine that does nothing
// else takes.
func TestPagesOfManyKeys(t *testing.T) {
	const size = 10_000
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	makeKeys(t, gateway, size)
	session := loginCookie(t, gateway)

	// look returns how much of the processors a look at a page takes.
	look := func(path, shows string) time.Duration {
		t.Helper()
		const looks = 10
		before := used(t, gateway.Process) + used(t, s.Tokenstore)
		for range looks {
			got := send(t, gateway, http.MethodGet, path, "", "", map[string]string{"Cookie": session})
			if got.status != http.StatusOK || !strings.Contains(string(got.body), shows) {
				t.Fatalf("%s: %d, without %q", path, got.status, shows)
			}
		}
		each := (used(t, gateway.Process) + used(t, s.Tokenstore) - before) / looks
		t.Logf("%s: %s", path, each)
		return each
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

// used returns how much of the processors a process has used.
func used(t *testing.T, process *stack.Process) time.Duration {
	t.Helper()
	const ticks = 100 // a second, for every program
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process.PID()))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the use of processors is read from /proc")
	}
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(stat), ") ") // behind the name
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11]) // the kernel's own numbers
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticks
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
