package e2e_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

// loginOf is a login at an upstream, as the admin API shows it.
type loginOf struct {
	ID      string  `json:"id"`
	URL     string  `json:"url"`
	State   string  `json:"state"`
	TokenID *string `json:"token_id"`
}

// loginDone waits until a login is done, as a gateway tells of it.
func loginDone(t *testing.T, gateway *stack.Gateway, id string, limit time.Duration) (now loginOf) {
	t.Helper()
	stack.Eventually(t, "the login is done", limit, func() bool {
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/logins/"+id, nil).JSON(t, &now)
		return now.State == "done"
	})
	return now
}

// approve is a person who follows a link and logs in with a new account. It answers the
// login's uuid.
func approve(t *testing.T, link string) string {
	t.Helper()
	return approveAs(t, link, "")
}

// approveAs is approve with an account that there is.
func approveAs(t *testing.T, link, subject string) string {
	t.Helper()
	at, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	page, err := stack.Client(t).Get(link)
	if err != nil {
		t.Fatal(err)
	}
	_ = page.Body.Close()
	uuid := at.Query().Get("uuid")
	form := url.Values{"uuid": {uuid}, "challenge": {at.Query().Get("challenge")}, "account": {subject}}
	at.RawQuery = ""
	answer, err := stack.Client(t).PostForm(at.String(), form)
	if err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if page.StatusCode != http.StatusOK || answer.StatusCode != http.StatusOK {
		t.Fatalf("%d, then %d: %s", page.StatusCode, answer.StatusCode, said)
	}
	return uuid
}

// renewable checks that a login has made a token that serves and is refreshed.
func renewable(t *testing.T, gateway *stack.Gateway, id, alias string) {
	t.Helper()
	var made struct {
		Alias, Kind, Upstream string
		NextRefreshAt         *time.Time `json:"next_refresh_at"`
		RefreshedAt           *time.Time `json:"refreshed_at"`
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens/"+id, nil).JSON(t, &made)
	if made.Alias != alias || made.Kind != "login" || made.Upstream != "cursor" || made.NextRefreshAt == nil {
		t.Errorf("%s is %+v", id, made)
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/"+id+"/refresh", nil).JSON(t, &made)
	if made.RefreshedAt == nil {
		t.Errorf("%s was not refreshed: %+v", id, made)
	}
}

// A person logs in to Cursor by the API, on a page and at the command line. It does not
// matter which gateway is asked: here the one that has made the link is not the one that
// tells of it, and all of them are killed and started again in between.
func TestLogins(t *testing.T) {
	t.Parallel()
	s := stack.Start(t, stack.Options{Gateways: 2})
	here, there := s.Gateways[0], s.Gateways[1]

	t.Run("API", func(t *testing.T) {
		var begun loginOf
		here.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/logins", map[string]string{"upstream": "cursor", "alias": "by-api"}).JSON(t, &begun)
		restart(s) // what a login needs is not in any process
		approve(t, begun.URL)
		renewable(t, there, *loginDone(t, there, begun.ID, 20*time.Second).TokenID, "by-api")
	})

	t.Run("page", func(t *testing.T) {
		tab := login(t, here, "/admin/tokens")
		tab.Click("#open-login")
		tab.Type("#login-alias", "by-page")
		tab.Follow("#login-start")
		tab.Until("the login's page", "location.pathname.startsWith('/admin/logins/')")
		for _, problem := range tab.Accessibility() {
			t.Error(problem)
		}
		link := browser.Eval[string](tab, "document.getElementById('login-link').href")
		tab.Expect("/admin/events") // the page's stream breaks off
		restart(s)
		approve(t, link)
		tab.Until("the token's page", "location.pathname.startsWith('/admin/tokens/') && document.readyState === 'complete'")
		tab.See("h1", "by-page")
		renewable(t, there, strings.TrimPrefix(browser.Eval[string](tab, "location.pathname"), "/admin/tokens/"), "by-page")
		if problems := tab.Problems(); len(problems) > 0 {
			t.Errorf("the browser complains: %v", problems)
		}
	})

	t.Run("command line", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*stack.Slack)
		defer cancel()
		command := exec.CommandContext(ctx, stack.Binary(t, "gateway"), "admin", "login", "--alias", "by-command", "--json")
		command.Env = append(os.Environ(), "CAROUSEL_URL="+there.URL, "CAROUSEL_KEY="+stack.AdminToken)
		var out bytes.Buffer
		command.Stdout = &out
		said, err := command.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		link := linkIn(t, said)
		restart(s)
		approve(t, link)
		if err := command.Wait(); err != nil {
			t.Fatalf("%v: %s", err, out.String())
		}
		var now loginOf
		stack.Answer{Body: out.Bytes()}.JSON(t, &now)
		renewable(t, here, *now.TokenID, "by-command")
	})
}

// linkIn reads until a line is a link.
func linkIn(t *testing.T, from io.Reader) string {
	t.Helper()
	var said []byte
	piece := make([]byte, 1024)
	for {
		n, err := from.Read(piece)
		said = append(said, piece[:n]...)
		for line := range strings.Lines(string(said)) {
			if link := strings.TrimSpace(line); strings.HasPrefix(link, "http") && strings.HasSuffix(line, "\n") {
				return link
			}
		}
		if err != nil {
			t.Fatalf("no link in %q: %v", said, err)
		}
	}
}
