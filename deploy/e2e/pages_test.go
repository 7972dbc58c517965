package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
	"carousel.internal/deploy/upstreamsim"
)

// login opens the pages of a gateway as the admin, and stops at the given one.
func login(t *testing.T, gateway *stack.Gateway, path string) *browser.Tab {
	t.Helper()
	tab := browser.Open(t, gateway.URL)
	tab.Go(gateway.URL + path)
	tab.See("h1", "Log in")
	tab.Type("#token", stack.AdminToken)
	tab.Submit()
	tab.Until("the page is "+path, fmt.Sprintf("location.pathname === %q", path))
	return tab
}

// An admin's day: each step is done with the mouse and the keyboard in a real
// browser, and seen through the API or on a second gateway.
func TestPagesInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{Gateways: 2})
	here, there := s.Gateways[0], s.Gateways[1]
	tab := browser.Open(t, here.URL)

	logIn(t, tab, here)
	pasteTokens(t, tab, here)
	renameToken(t, tab, here)
	disableToken(t, tab, here, there)
	deleteAndUndo(t, tab, here)
	watchLiveLog(t, tab, here, there)
	bringBack(t, tab, s)
	undoInBulk(t, tab, s)
	setFallbacks(t, tab, here)
	changeSetting(t, tab, here, there)
	tryIt(t, tab, here)
	logOut(t, tab, here, there)
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

func logIn(t *testing.T, tab *browser.Tab, gateway *stack.Gateway) {
	t.Helper()
	tab.Go(gateway.URL + "/admin/tokens")
	tab.Expect("401") // the browser reports the refusal itself
	tab.Type("#token", "sk-wrong")
	tab.Submit()
	tab.See("[role=alert]", "That is not the admin token")
	tab.Type("#token", stack.AdminToken)
	tab.Submit()
	tab.See("h1", "Tokens")
	if cookies := browser.Eval[string](tab, "document.cookie"); strings.Contains(cookies, "session") {
		t.Errorf("scripts see the session: %q", cookies)
	}
	if kept := browser.Eval[int](tab, "localStorage.length + sessionStorage.length"); kept != 0 {
		t.Errorf("%d things are in the page's storage", kept)
	}
}

func pasteTokens(t *testing.T, tab *browser.Tab, gateway *stack.Gateway) {
	t.Helper()
	tab.Click("#add-tokens")
	browser.Eval[any](tab, "document.querySelector('#add-upstream').value = 'openai'")
	tab.Type("#paste", "first::sk-browser-token-number-1\na::b::sk-browser-token-bad\nsecond::sk-browser-token-number-2")
	tab.Click("#add-submit")
	tab.See("#add-result", "2")
	tab.See("#add-rejected", "2") // the number of the bad line
	tab.Click("#add-dialog [data-closes]")
	tab.See("#token-table", "first")
	tab.See("#token-table", "second")
	if found := gateway.Tokens(t); len(found) != 2 {
		t.Errorf("%d tokens, want 2", len(found))
	}
	if content := browser.Eval[string](tab, "document.documentElement.outerHTML"); strings.Contains(content, "sk-browser-token-number") {
		t.Error("a whole token is in the page")
	}
}

// byAlias finds a token of the pool.
func byAlias(t *testing.T, gateway *stack.Gateway, alias string) (stack.Token, bool) {
	t.Helper()
	for _, token := range gateway.Tokens(t) {
		if token.Alias == alias {
			return token, true
		}
	}
	return stack.Token{}, false
}

func renameToken(t *testing.T, tab *browser.Tab, gateway *stack.Gateway) {
	t.Helper()
	token, _ := byAlias(t, gateway, "first")
	tab.Click("#token-" + token.ID + " .title a")
	tab.See("#drawer", "first")
	tab.Follow("#drawer-page")
	tab.See("h1", "first")
	tab.Type("#edit-alias", "renamed")
	tab.Click("#edit-save")
	stack.Eventually(t, "the token has its new name", 10*time.Second, func() bool {
		renamed, there := byAlias(t, gateway, "renamed")
		return there && renamed.ID == token.ID
	})
}

func disableToken(t *testing.T, tab *browser.Tab, here, there *stack.Gateway) {
	t.Helper()
	token, _ := byAlias(t, here, "second")
	tab.Go(here.URL + "/admin/tokens")
	tab.Click("#token-" + token.ID + " [data-action=toggle]")
	tab.Click("#disable-dialog [value=word]")
	tab.See("#token-"+token.ID, "Disabled")
	if second, _ := byAlias(t, there, "second"); second.Enabled {
		t.Error("the other gateway says that it is enabled")
	}
}

// holdMessage waits for a message that has what the selector finds, and rests the pointer on it: it
// stays for as long as that is there.
func holdMessage(tab *browser.Tab, selector string) {
	tab.Until("a message has "+selector, fmt.Sprintf(`(() => {
		const message = document.querySelector(%q)?.closest('#toasts > *');
		message?.dispatchEvent(new PointerEvent('pointerenter'));
		return message != null;
	})()`, selector))
}

func deleteAndUndo(t *testing.T, tab *browser.Tab, gateway *stack.Gateway) {
	t.Helper()
	token, _ := byAlias(t, gateway, "second")
	tab.Click("#token-" + token.ID + " [data-action=delete]")
	holdMessage(tab, "#toasts button:not([aria-label])")
	tab.Gone("#token-table", "second")
	if _, there := byAlias(t, gateway, "second"); there {
		t.Error("the token is still there")
	}
	tab.Click("#toasts button:not([aria-label])")
	tab.See("#token-table", "second")
	if restored, there := byAlias(t, gateway, "second"); !there || restored.ID != token.ID {
		t.Error("the token did not come back")
	}
}

func watchLiveLog(t *testing.T, tab *browser.Tab, here, there *stack.Gateway) {
	t.Helper()
	tab.Go(here.URL + "/logs") // where the reference has them
	tab.Click("#live-tail")
	tab.Until("the tail is on", "document.querySelector('#live-tail').getAttribute('aria-pressed') === 'true'")
	if failed := chats(t, []*stack.Gateway{there}, "gpt-test", 1, 1); failed > 0 {
		t.Fatal("the request failed")
	}
	tab.See("#log-rows tr.fresh", "gpt-test")
	tab.See("#log-rows tr.fresh", "renamed")
	tab.Click("#log-rows tr a")
	tab.See("h1", "")
	tab.See("main", "gpt-test")
}

// cool lets one token be refused, so that it cools.
func cool(t *testing.T, s *stack.Stack, model, alias, secret string) (found stack.Token) {
	t.Helper()
	if err := s.Sim.SetRule(upstreamsim.Rule{Scenario: "http-401", Token: upstreamsim.Fingerprint(secret)}); err != nil {
		t.Fatal(err)
	}
	s.Eventually(alias+" cools", 10*time.Second, func() bool {
		post(t, s.Gateways[0], stack.AdminToken, chatBody(model, "Hello", false))
		found, _ = byAlias(t, s.Gateways[0], alias)
		return found.State == "cooling"
	})
	s.Sim.Reset()
	return found
}

// bringBack sees why a token cools, and ends that.
func bringBack(t *testing.T, tab *browser.Tab, s *stack.Stack) {
	t.Helper()
	gateway := s.Gateways[0]
	token, _ := byAlias(t, gateway, "second")
	tab.Go(gateway.URL + "/admin/tokens/" + token.ID)
	tab.Follow("#toggle-token")
	tab.See("#toggle-token", "Disable")
	cool(t, s, "gpt-test", "second", "sk-browser-token-number-2")
	tab.See("#token-history", "Token refused")
	browser.Eval[any](tab, "document.querySelector('#explain-model').value = 'gpt-test'")
	tab.Click("#explain-ask")
	tab.See("#explain-answer", "No: it is cooling, until")
	tab.Go(gateway.URL + "/admin/tokens")
	tab.Click("#token-" + token.ID + " [data-action=release]")
	tab.See("#token-"+token.ID, "Ready")
	tab.Go(gateway.URL + "/admin/tokens/" + token.ID)
	tab.See("#token-history", "Brought back")
	tab.See("#token-facts", "Ready")
	tab.Follow("#token-history a[href^='/admin/logs/']")
	tab.See("h1", "Request")
	tab.Go(gateway.URL + "/admin/activity")
	tab.See("#audit", "Token brought back")
	tab.See("#audit", "Login")
}

// undoInBulk goes from what happened to a token to undoing all that is like it.
func undoInBulk(t *testing.T, tab *browser.Tab, s *stack.Stack) {
	t.Helper()
	token := cool(t, s, "gpt-test", "second", "sk-browser-token-number-2")
	tab.Go(s.Gateways[0].URL + "/admin/tokens/" + token.ID)
	tab.Follow("#token-history a[href^='/admin/activity']")
	tab.See("h1", "Activity")
	tab.Follow("#undo-submit")
	tab.See("#undo-preview", "second")
	tab.Follow("#undo-now")
	tab.See("#undone", "Changes undone: 1")
	tab.See("#audit", "Automatic changes undone")
	if back, _ := byAlias(t, s.Gateways[1], "second"); back.State != "ready" {
		t.Errorf("the token is %s", back.State)
	}
}

func setFallbacks(t *testing.T, tab *browser.Tab, gateway *stack.Gateway) {
	t.Helper()
	tab.Go(gateway.URL + "/admin/upstreams")
	tab.Click("#upstream-openai [data-edit]")
	tab.Click("#u-failures summary")
	tab.Type("#u-fallbacks", `{"gpt-test": ["gpt-4o"]}`)
	tab.Click("#upstream-save")
	tab.See("#upstream-openai", `{"gpt-test": ["gpt-4o"]}`)
	tab.Click("#upstream-openai [data-edit]")
	tab.Until("the field has it", "document.querySelector('#u-fallbacks').value === '{\"gpt-test\": [\"gpt-4o\"]}' && document.querySelector('#u-failures').open")
	tab.Type("#u-fallbacks", " ")
	tab.Click("#upstream-save")
	tab.Gone("#upstream-openai", "Fallback")
}

func changeSetting(t *testing.T, tab *browser.Tab, here, there *stack.Gateway) {
	t.Helper()
	tab.Go(here.URL + "/config") // where the reference has it
	tab.Type("#max_attempts", "5")
	tab.Follow("#settings-save")
	tab.See("#setting-max_attempts .change", "pages")
	stack.Eventually(t, "the other gateway has the setting", time.Second, func() bool {
		var settings struct {
			MaxAttempts int `json:"max_attempts"`
		}
		there.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/settings", nil).JSON(t, &settings)
		return settings.MaxAttempts == 5
	})
}

func tryIt(t *testing.T, tab *browser.Tab, gateway *stack.Gateway) {
	t.Helper()
	tab.Go(gateway.URL + "/admin/try")
	browser.Eval[any](tab, "document.querySelector('#try-model').value = 'gpt-test'")
	tab.Type("#try-text", "Say it back to me")
	tab.Click("#try-send")
	tab.See("#try-messages", "Say it back to me")
	tab.Until("the answer has come", "document.querySelectorAll('#try-messages > *:not(#try-empty)').length >= 2 && document.querySelector('#try-stop').hidden")
	browser.Eval[any](tab, "document.querySelector('#try-model').value = 'gpt-4o'") // no token serves it
	tab.Expect("503")
	tab.Expect("429")
	tab.Type("#try-text", "And this?")
	tab.Click("#try-send")
	tab.See("#try-messages", "token")
}

func logOut(t *testing.T, tab *browser.Tab, here, there *stack.Gateway) {
	t.Helper()
	session := sessionOf(tab)
	tab.Follow("#logout")
	tab.See("h1", "Log in")
	tab.Go(here.URL + "/admin/tokens")
	tab.See("h1", "Log in")
	// Whoever had copied the cookie has lost it too, on every gateway.
	for _, gateway := range []*stack.Gateway{here, there} {
		stack.Eventually(t, "the session is gone from "+gateway.URL, 2*time.Second, func() bool {
			got := send(t, gateway, "GET", "/admin/tokens", "", "", map[string]string{"Cookie": session})
			return got.status == http.StatusSeeOther
		})
	}
}

func sessionOf(tab *browser.Tab) string { return "carousel_session=" + tab.Cookie("carousel_session") }

// everyPage are the pages that an admin sees; {token} and {entry} are ids.
var everyPage = []struct{ name, path string }{
	{"overview", "/admin/"},
	{"tokens", "/admin/tokens"},
	{"token", "/admin/tokens/{token}"},
	{"deleted", "/admin/tokens/deleted"},
	{"quotas", "/admin/quotas"},
	{"models", "/admin/models"},
	{"search", "/admin/search?q=team"},
	{"token-files", "/admin/token-files"},
	{"move-in", "/admin/move-in"},
	{"token-now", "/admin/tokens/{token}/now"},
	{"logs", "/admin/logs"},
	{"entry", "/admin/logs/{entry}"},
	{"use", "/admin/usage?by=model"},
	{"use-compared", "/admin/usage?by=token&measure=tokens&compare=before"},
	{"use-own", "/admin/usage?range=own&from=2026-01-31&by=token&measure=tokens&model=gpt-test"},
	{"prices", "/admin/prices"},
	{"price", "/admin/prices/edit?match=gpt-4o"},
	{"price-import", "/admin/prices/import"},
	{"activity", "/admin/activity"},
	{"settings", "/admin/settings"},
	{"backup", "/admin/backup"},
	{"notifications", "/admin/notifications"},
	{"a destination", "/admin/notifications/edit?kind=mail"},
	{"pages", "/admin/pages"},
	{"upstreams", "/admin/upstreams"},
	{"routes", "/admin/routes"},
	{"route", "/admin/routes/edit?name=fast"},
	{"why", "/admin/why?model=fast"},
	{"try", "/admin/try"},
	{"about", "/about"},
}

// Every page, light and dark, wide and narrow, in both languages: nothing that
// keeps people from using it. With SCREENSHOTS=<folder> each is also drawn.
func TestPagesAreAccessible(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	paths := strings.NewReplacer(fill(t, s)...)
	tab := login(t, gateway, "/admin/")
	for _, language := range []string{"en", "zh"} {
		speak(tab, gateway, "/admin/", language)
		for _, page := range everyPage {
			tab.Go(gateway.URL + paths.Replace(page.path))
			inEveryLook(t, tab, page.name+"-"+language)
			checkKeyboard(t, tab, page.name)
		}
	}
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

// checkKeyboard goes through a page with the tabulator: each stop is visible and
// marked.
func checkKeyboard(t *testing.T, tab *browser.Tab, page string) {
	t.Helper()
	browser.Eval[any](tab, "document.activeElement?.blur()")
	stops := map[string]bool{}
	for range 12 {
		tab.Press("\t")
		stop := browser.Eval[string](tab, `(() => {
			const e = document.activeElement, style = getComputedStyle(e);
			if (e === document.body) return "";
			const marked = e.matches(":focus-visible") && (style.outlineStyle !== "none" || style.boxShadow !== "none");
			return (marked ? "" : "unmarked: ") + e.outerHTML.slice(0, 120);
		})()`)
		if strings.HasPrefix(stop, "unmarked: ") {
			t.Errorf("%s: the focus can't be seen: %s", page, stop)
		}
		stops[stop] = true
	}
	if len(stops) < 4 {
		t.Errorf("%s: the keyboard reaches only %d places", page, len(stops))
	}
}

// fill makes a pool and a log that are worth looking at, and answers what stands
// for {token} and {entry}.
func fill(t *testing.T, s *stack.Stack) []string {
	t.Helper()
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "team", 6, 4)
	cursor := s.AddTokens("cursor", "work", 3, 0)
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+tokens[2].ID, map[string]any{"enabled": false, "tags": []string{"spare", "2026"}})
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"max_attempts": 4})
	var hook struct{ ID string }
	gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/notifications/destinations", map[string]any{"name": "team", "url": s.SimURL, "severity": "warning"}).JSON(t, &hook)
	gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/notifications/destinations/"+hook.ID+"/test", nil)
	gateway.MustAdmin(t, http.StatusCreated, http.MethodPost, "/admin/api/notifications/silences", map[string]any{"upstream": "cursor", "until": time.Now().Add(time.Hour), "comment": "maintenance"})
	gateway.MustAdmin(t, http.StatusOK, http.MethodPut, "/admin/api/routes/fast", map[string]any{
		"targets": []map[string]any{
			{"upstream": "openai", "model": "gpt-test", "weight": 3},
			{"upstream": "cursor", "model": "gpt-4o"},
			{"upstream": "not-there", "priority": 1},
		},
		"parameters": map[string]any{"reasoning_effort": "low", "temperature": map[string]any{"default": 0.2}},
	})
	if failed := chats(t, s.Gateways, "gpt-test", 60, 6) + chats(t, s.Gateways, "gpt-4o", 30, 3); failed > 0 {
		t.Errorf("%d requests failed", failed)
	}
	post(t, gateway, stack.AdminToken, chatBody("no-such-model", "Hello", false))
	var page struct {
		Logs []struct {
			ID string `json:"id"`
		} `json:"logs"`
	}
	s.Eventually("the requests are logged", 10*time.Second, func() bool {
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/logs?status=success&limit=100", nil).JSON(t, &page)
		return len(page.Logs) == 90
	})
	trouble(t, s, cursor[0])
	return []string{"{token}", cursor[0].ID, "{entry}", page.Logs[0].ID}
}

// trouble makes the token cool, and all tokens of another pool fail alike.
func trouble(t *testing.T, s *stack.Stack, token stack.Token) {
	t.Helper()
	cool(t, s, "gpt-4o", token.Alias, token.Secret)
	if err := s.Sim.SetRule(upstreamsim.Rule{Scenario: "http-500", Model: "gpt-test"}); err != nil {
		t.Fatal(err)
	}
	s.Eventually("there is an alarm", 10*time.Second, func() bool {
		post(t, s.Gateways[0], stack.AdminToken, chatBody("gpt-test", "Hello", false))
		var fleet struct {
			Pools []struct {
				Causes []struct{} `json:"causes"`
			} `json:"pools"`
		}
		answer := s.Gateways[0].Admin(t, http.MethodGet, "/admin/api/fleet", nil)
		if answer.Status != http.StatusOK {
			return false // the gateway has not heard of the others yet
		}
		answer.JSON(t, &fleet)
		for _, pool := range fleet.Pools {
			if len(pool.Causes) > 0 {
				return true
			}
		}
		return false
	})
}
