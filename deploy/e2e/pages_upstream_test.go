package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

// Whoever saves an upstream is told whether it can be reached, sees keys that can't be
// ones, and finds what was added first in the list.
func TestNewUpstreamAndItsKeysInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	var known struct {
		Upstreams []struct {
			Name    string `json:"name"`
			BaseURL string `json:"base_url"`
		} `json:"upstreams"`
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/upstreams", nil).JSON(t, &known)
	tab := login(t, gateway, "/admin/upstreams")
	save := func(name, address, says string) {
		t.Helper()
		tab.Click("#add-upstream")
		tab.Type("#u-name", name)
		tab.Type("#u-url", address)
		tab.Click("#upstream-save")
		tab.See("#toasts", says)
		tab.See("#upstreams", name)
	}
	tab.Click("#add-upstream")
	tab.Type("#u-name", "Wrong Name")
	tab.Click("#upstream-save")
	tab.See("#upstream-status", "begins with a letter")
	tab.Click("#upstream-dialog [data-closes]")
	save("nowhere", "http://127.0.0.1:9/v1", "nowhere is saved, but can’t be reached")
	for _, each := range known.Upstreams {
		if each.Name == "openai" {
			save("second", each.BaseURL, "second is saved and can be reached")
		}
	}
	tab.See("#upstream-second", "what the upstream lists")

	// A provider brings its name and its address.
	tab.Click("#add-upstream")
	browser.Eval[any](tab, `(() => {
		const provider = document.getElementById('u-preset');
		provider.selectedIndex = [...provider.options].findIndex((option) => option.text === 'DeepSeek');
		provider.dispatchEvent(new Event('change'));
	})()`)
	if got := browser.Eval[string](tab, "document.getElementById('u-name').value + ' ' + document.getElementById('u-url').value"); got != "deepseek https://api.deepseek.com/v1" {
		t.Errorf("the provider brings %q", got)
	}
	tab.Click("#upstream-dialog [data-closes]")

	// A vendor's driver brings its address; one that was typed stays.
	choose := func(driver string) string {
		return browser.Eval[string](tab, fmt.Sprintf(`(() => {
			const { driver, base_url: url } = document.getElementById('upstream-form').elements;
			driver.value = %q;
			driver.dispatchEvent(new Event('change'));
			return url.value;
		})()`, driver))
	}
	tab.Click("#add-upstream")
	for _, each := range [][2]string{{"anthropic", "https://api.anthropic.com"}, {"openai", ""}, {"anthropic", "https://api.anthropic.com"}} {
		if address := choose(each[0]); address != each[1] {
			t.Errorf("%s is at %q", each[0], address)
		}
	}
	tab.Type("#u-name", "claude")
	tab.Type("#u-url", s.SimURL)
	if address := choose("openai"); address != s.SimURL {
		t.Errorf("what was typed became %q", address)
	}
	choose("anthropic")
	tab.Click("#upstream-save")
	tab.See("#toasts", "claude is saved and can be reached")
	tab.See("#upstream-claude", "anthropic")
	tab.See("#upstream-claude", "what the upstream lists")
	tab.Click("#upstream-nowhere [data-delete]")
	tab.See("#delete-dialog", "nowhere")
	tab.Click("#delete-yes")
	tab.Until("it is gone", "!document.getElementById('upstream-nowhere')")

	s.AddTokens("openai", "old", 60, 0)
	tab.Go(gateway.URL + "/admin/tokens")
	tab.Click("#add-tokens")
	browser.Eval[any](tab, "document.querySelector('#add-upstream').value = 'second'")
	tab.Type("#paste", "fresh::sk-browser-token-number-9\nodd::short")
	tab.See("#add-preview", "To be added: 2. Known, to be updated: 0. Refused: 0.")
	tab.See("#add-lines", "fresh")
	tab.Click("#add-submit")
	tab.See("#add-doubtful", "does not look like an API key")
	tab.Click("#add-dialog [data-closes]")
	for i, alias := range []string{"odd", "fresh"} {
		tab.See(fmt.Sprintf("#token-table tbody tr:nth-child(%d)", i+1), alias)
	}
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}
