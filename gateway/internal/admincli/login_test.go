package admincli_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/gateway/internal/admincli"
)

const someQuotas = `{"as_of":"2026-11-22T12:00:00Z","pools":[
 {"upstream":"cursor","left":170,"limit":200,"unlimited":0,"unknown":1,"rate_per_hour":85,"dry_at":"2026-11-22T14:00:00Z","next_reset":null,"accounts":[
  {"token_id":"t1","alias":"work","state":"ready","email":"","membership":"pro","quotas":[{"name":"premium","unit":"requests","used":12,"limit":150,"left":138},
   {"name":"standard","unit":"requests","used":3,"limit":null,"left":null},{"name":"unknown","unit":"requests","used":0,"limit":null,"left":null}],"resets_at":"2026-11-22T17:00:00Z","as_of":"2026-11-22T11:59:00Z","error":"no answer"}]},
 {"upstream":"vendor","left":0,"limit":0,"unlimited":0,"unknown":1,"rate_per_hour":0,"dry_at":null,"next_reset":null,"accounts":[]}]}`

// aLogin is one as the admin API shows it.
func aLogin(state, tokenID, detail string) string {
	return `{"id":"l1","upstream":"cursor","alias":"work","token_id":` + tokenID + `,"url":"https://site.example/login?uuid=u1","state":"` + state +
		`","detail":` + detail + `,"created_at":"2026-11-22T12:00:00Z","expires_at":"2026-11-22T12:15:00Z"}`
}

// person answers for a login that somebody finishes, or not, at the third look.
type person struct {
	*httptest.Server
	end string
	// looked, if it is set, is told of each look.
	looked func(n int)

	mu    sync.Mutex
	asked []string
	looks int
}

func newPerson(t *testing.T, end string) *person {
	t.Helper()
	p := &person{end: end}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *person) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, r.Method+" "+strings.TrimPrefix(r.URL.Path, "/admin/api"))
	switch {
	case r.URL.Path == "/admin/api/tokens/t1":
		_, _ = io.WriteString(w, workToken)
	case r.Method == http.MethodGet:
		p.looks++
		if p.looked != nil {
			p.looked(p.looks)
		}
		if p.looks == 2 { // a look in vain ends nothing
			w.WriteHeader(http.StatusServiceUnavailable)
		} else if p.looks >= 3 && p.end != "" {
			_, _ = io.WriteString(w, p.end)
		} else {
			_, _ = io.WriteString(w, aLogin("pending", "null", "null"))
		}
	default:
		_, _ = io.WriteString(w, aLogin("pending", "null", "null"))
	}
}

func (p *person) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

func (p *person) logIn(ctx context.Context, args ...string) result {
	var stdout, stderr bytes.Buffer
	env := map[string]string{"CAROUSEL_URL": p.URL, "CAROUSEL_KEY": key}
	code := admincli.Run(ctx, append([]string{"admin", "login"}, args...), admincli.Environment{
		Stdout: &stdout, Stderr: &stderr, Getenv: func(name string) string { return env[name] },
		Now: func() time.Time { return now }, LoginPause: time.Millisecond,
	})
	return result{code, stdout.String(), stderr.String()}
}

func TestLoginWaitsForThePerson(t *testing.T) {
	for name, c := range map[string]struct {
		end, says string
		code      int
	}{
		"done":      {aLogin("done", `"t1"`, "null"), "work", 0},
		"failed":    {aLogin("failed", "null", `"another account"`), "the login is failed: another account", 1},
		"expired":   {aLogin("expired", "null", "null"), "the login is expired", 1},
		"cancelled": {aLogin("cancelled", "null", "null"), "the login is cancelled", 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPerson(t, c.end)
			got := p.logIn(t.Context())
			if got.code != c.code || !strings.Contains(got.stdout+got.stderr, c.says) {
				t.Errorf("code %d, %s%s", got.code, got.stdout, got.stderr)
			}
			if !strings.Contains(got.stderr, "https://site.example/login?uuid=u1") || !strings.Contains(got.stderr, "within 15m") {
				t.Errorf("the link is not shown: %s", got.stderr)
			}
			if slices.Contains(p.seen(), "DELETE /logins/l1") {
				t.Error("a login that is over was cancelled")
			}
		})
	}
}

// Who does not wait any more cancels it: nobody would know of its token.
func TestAnInterruptedLoginIsCancelled(t *testing.T) {
	p := newPerson(t, "")
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	p.looked = func(n int) {
		if n == 4 {
			interrupt()
		}
	}
	got := p.logIn(ctx)
	if asked := p.seen(); got.code != 1 || asked[len(asked)-1] != "DELETE /logins/l1" || !strings.Contains(got.stderr, "the login is cancelled") {
		t.Errorf("code %d, %s, asked %v", got.code, got.stderr, asked)
	}
}

// The password of a proxy comes from the environment.
func TestAProxysPassword(t *testing.T) {
	a := newAPI(t)
	env := map[string]string{"CAROUSEL_URL": a.URL, "CAROUSEL_KEY": key, "CAROUSEL_PROXY_PASSWORD": "p@ss"}
	got := run(t, env, "", "login", "--no-wait", "--proxy", "socks5://me@proxy.example:1080")
	want := `POST /logins {"alias":"","proxy":"socks5://me:p%40ss@proxy.example:1080","upstream":""}`
	if got.code != 0 || a.asked[0] != want || strings.Contains(got.stdout+got.stderr, "p%40ss") {
		t.Errorf("code %d, asked %s, said %s%s", got.code, a.asked, got.stdout, got.stderr)
	}
}
