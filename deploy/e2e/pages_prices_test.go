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

// An admin sees that a model has no price, gives it one, and sees what it costs from then on;
// imports a list after a look at what it would change, and takes that back.
func TestPricesInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "team", 2, 0)
	tab := login(t, gateway, "/admin/usage")
	tab.See("main", "Nothing was used in this time")
	chat := func() {
		t.Helper()
		if status, _, body := post(t, gateway, stack.AdminToken, chatBody("gpt-test", "Hello", false)); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
	}
	chat()
	used := func(what, text string) {
		t.Helper()
		s.Eventually(what, 15*time.Second, func() bool {
			tab.Go(gateway.URL + "/admin/usage?range=24h&by=model")
			return strings.Contains(browser.Eval[string](tab, "document.querySelector('#use-table')?.innerText ?? ''"), text)
		})
	}
	used("the request is counted", "Requests without a price: 1")
	tab.Follow("#use-table tbody .under a")
	tab.See("#unpriced", "gpt-test")
	tab.Type("#u-input-0", "dear")
	tab.Expect("400")
	tab.Follow("#unpriced .field-buttons button")
	tab.See("#problem", "US dollars for a million tokens wanted")
	tab.Type("#p-input", "1000")
	tab.Type("#p-output", "2000.5")
	tab.Follow("#price-save")
	tab.See("#saved", "The price of gpt-test is saved")
	tab.See("#prices-set", "2000.50")
	if here := browser.Eval[bool](tab, "!document.querySelector('#unpriced')"); !here {
		t.Error("it is still shown as one without a price")
	}

	s.Eventually("a request has a cost", 10*time.Second, func() bool {
		chat()
		tab.Go(gateway.URL + "/admin/logs")
		return browser.Eval[bool](tab, "[...document.querySelectorAll('#log-rows td')].some((cell) => cell.innerText.startsWith('$'))")
	})
	used("the cost is in the sums", "$0.")
	tab.See("#chart-use_cost", "$")
	tab.Follow("#use-table tbody th a")
	tab.See("#use-filters", "gpt-test")
	tab.See("#use-table", "Admin token")
	tab.Follow("#use-measure a:last-child")
	tab.See("#use-chart-title", "Model tokens")

	importPrices(t, tab, gateway)
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

func importPrices(t *testing.T, tab *browser.Tab, gateway *stack.Gateway) {
	t.Helper()
	tab.Go(gateway.URL + "/admin/prices")
	tab.Follow("#import-prices")
	tab.See("h1", "Import prices")
	attach := func(content string) {
		t.Helper()
		browser.Eval[any](tab, fmt.Sprintf(`(() => {
			const files = new DataTransfer();
			files.items.add(new File([%q], "prices.json"));
			document.getElementById("i-file").files = files.files;
		})()`, content))
	}
	attach("no JSON")
	tab.Expect("400")
	tab.Follow("#preview-prices")
	tab.See("#problem", "not a JSON object")
	attach(`{"imported-model": {"input_cost_per_token": 1.5e-07}, "gpt-test": {"input_cost_per_token": 1e-06}, "image": {}}`)
	tab.Follow("#preview-prices")
	tab.See("#added", "0.15")
	tab.See("#skipped", "image")
	if there := browser.Eval[bool](tab, "!!document.querySelector('#changed')"); there {
		t.Error("a price that an admin has set would be changed")
	}
	tab.Follow("#apply-prices")
	tab.See("#saved", "The prices are imported")
	tab.See("#prices-set", "imported-model")
	tab.See("#prices-set", "2000.50")

	tab.Go(gateway.URL + "/admin/activity")
	tab.See("#audit tbody tr", "Prices imported")
	tab.Click("#audit tbody tr [data-undo]")
	tab.See("#toasts", "Changes undone: 1")
	tab.Go(gateway.URL + "/admin/prices")
	tab.Gone("#prices-set", "imported-model")
}
