package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

// clickIn clicks what the selector finds in the first row of the activity that has a text.
func clickIn(tab *browser.Tab, text, selector string) {
	row := fmt.Sprintf("[...document.querySelectorAll('#audit tbody tr')].find((row) => row.textContent.includes(%q))", text)
	tab.Until("there is "+text, fmt.Sprintf("%s?.querySelector(%q) != null", row, selector))
	browser.Eval[any](tab, fmt.Sprintf("%s.querySelector(%q).click()", row, selector))
}

// followIn is clickIn of what opens another page.
func followIn(tab *browser.Tab, text, selector string) {
	tab.Leave("a click in "+text, func() { clickIn(tab, text, selector) })
}

// An admin sees what they and failures did in one stream, opens a change, and takes all of it back.
func TestActivityInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "team", 12, 0)
	ids := make([]string, len(tokens))
	for i, token := range tokens {
		ids[i] = token.ID
	}
	bulk(t, gateway, "disable", ids[:3])
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"max_attempts": 7})
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/settings", map[string]any{"max_attempts": 9})
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+ids[4], map[string]any{"alias": "anna", "cap": 4})
	bulk(t, gateway, "delete", ids[5:])
	cool(t, s, "gpt-test", "team-4", tokens[3].Secret)
	tab := login(t, gateway, "/admin/activity")

	// What failures did is in the same stream, or by itself.
	tab.See("#audit .by-itself", "Cooled")
	lookAt(t, tab, "activity-activity")
	tab.Follow("#activity-source a[href*='source=carousel']")
	tab.See("#audit .by-itself", "team-4")
	tab.Gone("#audit", "Tokens deleted")
	tab.Type("#f-account", "team-9")
	tab.Submit()
	tab.See("#audit", "Nothing like that has happened")
	tab.Go(gateway.URL + "/admin/activity?source=people&account=anna")
	tab.See("#audit", "Token changed")
	tab.Gone("#audit", "Tokens deleted")
	tab.Go(gateway.URL + "/admin/activity")
	followIn(tab, "Cooled", "a[href^='/admin/activity/undo']")
	tab.See("#undo-preview", "1 tokens come back (1 changes)")
	tab.See("#undo-preview", "team-4")
	lookAt(t, tab, "activity-undo")
	tab.Follow("#undo-now")
	tab.See("#undone", "Changes undone: 1")
	tab.See("#audit", "Automatic changes undone")
	if back, _ := byAlias(t, gateway, "team-4"); back.State == "cooling" {
		t.Errorf("the token is %s", back.State)
	}

	// One row a change set, which opens to what it changed, by name.
	tab.See("#audit", "Tokens deleted: 7")
	tab.See("#audit", "Tokens disabled: 3")
	followIn(tab, "Token changed", "a[href^='/admin/activity/']")
	tab.See("h1", "Token changed")
	rows := "[...document.querySelectorAll('#changes tbody tr')].map((row) => [...row.cells].map((cell) => cell.textContent.trim()).join(' '))"
	if got := browser.Eval[[]string](tab, rows); !slices.Equal(got, []string{"anna Alias team-5 anna", "anna Cap 0 4"}) {
		t.Errorf("the change is shown as %q", got)
	}

	lookAt(t, tab, "activity-change")

	// Undone on its own page.
	tab.Click("[data-undo]")
	tab.See("#toasts", "Changes undone: 1")
	tab.See("h1 + .actions", "Undone")

	// A setting goes back to what it was, not to its default.
	tab.Go(gateway.URL + "/admin/settings")
	tab.See("#setting-max_attempts .standard", "Default 3")
	tab.See("#setting-max_attempts .earlier", "Before 7")
	lookAt(t, tab, "activity-settings")
	tab.Follow("#setting-max_attempts [data-restore]")
	tab.Until("it is 7 again", "document.querySelector('#max_attempts')?.value === '7'")

	// A strategy is a card.
	tab.Click("#rotation_strategy-least_in_flight")
	tab.Follow("#settings-save")
	tab.See("#setting-rotation_strategy .earlier", "In turn, by weight")

	// What is overtaken says so, and stays.
	tab.Go(gateway.URL + "/admin/activity?kind=settings+changed")
	tab.Until("there are four changes", "document.querySelectorAll('#audit tbody tr').length === 4")
	browser.Eval[any](tab, "document.querySelector('#audit tbody tr:nth-child(3) [data-undo]').click()")
	tab.See("#undo-report", "it has been changed since")

	// Many tokens come back, as they were.
	tab.Go(gateway.URL + "/admin/activity")
	clickIn(tab, "Tokens deleted: 7", "[data-undo]")
	tab.See("#toasts", "Changes undone: 7")
	clickIn(tab, "Tokens disabled: 3", "[data-undo]")
	tab.See("#toasts", "Changes undone: 3")
	for _, token := range gateway.Tokens(t) {
		if token.Alias == "anna" || token.State == "disabled" {
			t.Errorf("token %s is %s", token.Alias, token.State)
		}
	}
	if back := gateway.Tokens(t); len(back) != len(tokens) {
		t.Errorf("%d tokens are back", len(back))
	}
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}
