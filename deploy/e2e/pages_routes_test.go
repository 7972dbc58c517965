package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

// An admin gives models a name, sees who would serve it, has it served, and takes it back.
func TestRoutesInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "team", 2, 0)
	tab := login(t, gateway, "/admin/routes")
	tab.See("main", "No routes yet")
	tab.Follow("#add-route")
	tab.See("h1", "New route")

	tab.Type("#r-name", "fast")
	choose(tab, "r-upstream-1", "openai")
	tab.Type("#r-model-1", "gpt-test")
	choose(tab, "r-upstream-2", "cursor")
	tab.Type("#r-priority-2", "1")
	tab.Type("#r-value-reasoning_effort", "little") // there is no such effort
	tab.Expect("400")
	tab.Follow("#route-save")
	tab.See("#problem", "reasoning_effort")
	tab.Type("#r-value-reasoning_effort", "low")
	tab.Follow("#route-save")
	tab.See("#saved", "The route fast is saved")
	tab.See("#route-fast", "openai / gpt-test")

	s.Eventually("the gateway has the route", 5*time.Second, func() bool {
		return gateway.Admin(t, http.MethodGet, "/admin/api/explain?model=fast", nil).Status == http.StatusOK
	})
	tab.Go(gateway.URL + "/admin/why?model=fast")
	tab.See("#why-verdict", "fast goes to openai now, as gpt-test")
	tab.See("#target-1", "It can serve: 2 of 2 tokens could be chosen.")
	tab.See("#target-2", "cursor has no tokens.")
	if status, _, body := post(t, gateway, stack.AdminToken, chatBody("fast", "Hello", false)); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}

	tab.Go(gateway.URL + "/admin/routes")
	tab.Click("#route-fast details summary")
	tab.Follow("#route-fast [data-delete]")
	tab.See("#saved", "The route fast is deleted.")

	tab.Go(gateway.URL + "/admin/activity")
	tab.See("#audit tbody tr", "Route deleted")
	tab.Click("#audit tbody tr [data-undo]")
	tab.See("#toasts", "Changes undone: 1")
	tab.Go(gateway.URL + "/admin/routes")
	tab.See("#route-fast", "openai / gpt-test")
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

// choose chooses an option of a select.
func choose(tab *browser.Tab, id, option string) {
	browser.Eval[any](tab, fmt.Sprintf("document.getElementById(%q).value = %q", id, option))
}
