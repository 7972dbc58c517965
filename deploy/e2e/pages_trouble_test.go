package e2e_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// A request that needed two tokens: its client's id finds it, and its page tells of both
// attempts.
func TestPagesTellOfAttempts(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "team", 2, 0)
	if err := s.Sim.SetRule(upstreamsim.Rule{Scenario: "http-429", Token: upstreamsim.Fingerprint(tokens[0].Secret)}); err != nil {
		t.Fatal(err)
	}
	var id string
	s.Eventually("a request needs two tokens", 20*time.Second, func() bool {
		answer := send(t, gateway, http.MethodPost, "/v1/chat/completions", stack.AdminToken, chatBody("gpt-test", "Hello", false), nil)
		id = answer.header.Get("X-Request-Id")
		var entry struct {
			Attempts int `json:"attempts"`
		}
		s.Eventually("it is logged", 10*time.Second, func() bool {
			logged := gateway.Admin(t, http.MethodGet, "/admin/api/logs/"+id, nil)
			if logged.Status != http.StatusOK {
				return false
			}
			logged.JSON(t, &entry)
			return true
		})
		return answer.status == http.StatusOK && entry.Attempts == 2
	})
	tab := login(t, gateway, "/admin/logs")
	tab.Type("#f-query", id)
	tab.Submit()
	tab.Until("one row is left", "document.querySelectorAll('#log-rows tr').length === 1")
	tab.See("#log-rows", "at attempt 2")
	tab.Click("#log-rows tr a")
	for _, text := range []string{"Rate limit", tokens[0].Alias, "429", "Success", tokens[1].Alias} {
		tab.See("#attempts", text)
	}
	tab.Follow("#attempts a[href='/admin/tokens/" + tokens[0].ID + "']")
	tab.See("h1", tokens[0].Alias)

	// One that no token could serve says what was missing.
	bulk(t, gateway, "disable", []string{tokens[1].ID})
	s.Eventually("a request finds no other token", 20*time.Second, func() bool {
		answer := send(t, gateway, http.MethodPost, "/v1/chat/completions", stack.AdminToken, chatBody("gpt-test", "Hello", false), nil)
		id = answer.header.Get("X-Request-Id")
		return answer.status == http.StatusTooManyRequests && strings.Contains(string(answer.body), `"cooling":1`)
	})
	s.Eventually("it is logged", 10*time.Second, func() bool {
		return gateway.Admin(t, http.MethodGet, "/admin/api/logs/"+id, nil).Status == http.StatusOK
	})
	tab.Go(gateway.URL + "/admin/logs/" + id)
	for _, text := range []string{"Cooling", "Disabled", "Worth asking again from"} {
		tab.See("#missing", text)
	}
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

// Every page says within 5 s that the gateway is gone, and stops when it is back.
func TestPagesNoticeADeadGateway(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tab := login(t, gateway, "/admin/")
	tab.Expect("ERR_CONNECTION_REFUSED")
	tab.Expect("Failed to load resource")
	for _, path := range []string{"/admin/", "/admin/try", "/admin/settings"} {
		tab.Go(gateway.URL + path)
		gateway.Kill()
		lost := time.Now()
		stack.Eventually(t, path+" tells", 5*time.Second, func() bool {
			return browser.Eval[bool](tab, "Boolean(document.getElementById('connection-lost')?.textContent.includes('can’t be reached since'))")
		})
		if dot := browser.Eval[string](tab, "document.getElementById('connection').innerText.trim()"); dot != "No answer" {
			t.Errorf("%s: the dot says %q", path, dot)
		}
		t.Logf("%s: told after %s", path, time.Since(lost).Round(time.Millisecond))
		gateway.Start()
		tab.Until("the page no longer says so", "!document.getElementById('connection-lost') && !document.querySelector('#connection.lost')")
	}
	// One that is there and answers nothing is as good as gone.
	tab.Go(gateway.URL + "/admin/settings")
	gateway.Signal(syscall.SIGSTOP)
	defer gateway.Signal(syscall.SIGCONT)
	stack.Eventually(t, "the page tells", 5*time.Second, func() bool {
		return browser.Eval[bool](tab, "Boolean(document.getElementById('connection-lost'))")
	})
}

// The bounds of the form's numbers are those of the store.
func TestBoundsOfSettingsInThePage(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tab := login(t, gateway, "/admin/settings")
	bounds := browser.Eval[[]struct {
		Name string `json:"name"`
		Min  int    `json:"min"`
		Max  int    `json:"max"`
	}](tab, "[...document.querySelectorAll('#settings-form input[type=number]')].map(({ name, min, max }) => ({ name, min: Number(min), max: Number(max) }))")
	if len(bounds) < 4 {
		t.Fatalf("%d numbers", len(bounds))
	}
	for _, each := range bounds {
		for _, value := range []int{each.Min, each.Max} {
			gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{each.Name: value})
		}
		gateway.MustAdmin(t, http.StatusBadRequest, http.MethodPatch, "/admin/api/settings", map[string]any{each.Name: each.Max + 1})
		if each.Min > 0 {
			gateway.MustAdmin(t, http.StatusBadRequest, http.MethodPatch, "/admin/api/settings", map[string]any{each.Name: each.Min - 1})
		}
	}
}
