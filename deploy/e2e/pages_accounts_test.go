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

// manyAccounts are more than a page has.
const manyAccounts = 120

// An admin finds tokens among many by sorting and by state, disables all that match for an hour,
// and takes it back.
func TestManyAccountsInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	var lines []string
	for i := range manyAccounts {
		lines = append(lines, fmt.Sprintf("bulk-%03d::sk-secret-of-many-%03d", i, i))
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodPost, "/admin/api/tokens/import",
		map[string]any{"content": strings.Join(lines, "\n"), "format": "token", "upstream": "openai"})
	tab := login(t, gateway, "/admin/tokens")
	tab.Follow("#pools a[href='/admin/tokens?upstream=openai']")
	tab.See("#pools [aria-current]", "openai")
	tab.See(".table-line", "1–50 of 120")
	tab.See("#token-table tbody tr:first-child", "bulk-119") // the newest
	tab.Follow("#token-table .sort[href*='sort=alias']")
	tab.See("#token-table tbody tr:first-child", "bulk-000")
	tab.Follow(".pager [rel=next]")
	tab.See(".table-line", "51–100 of 120")
	tab.Follow("#token-table .sort[href*='sort=-alias']")
	tab.See("#token-table tbody tr:first-child", "bulk-119")

	lookAt(t, tab, "accounts")
	tab.Click("#columns summary")
	tab.Click("#columns [value=weight]")
	lookAt(t, tab, "accounts-columns")
	tab.Follow("#columns .primary")
	tab.See("#token-table thead", "Weight")
	lookAt(t, tab, "accounts-more-columns")
	tab.See("#token-table tbody tr:first-child", "bulk-119") // the list is as it was
	disable := func(until string) {
		t.Helper()
		tab.Click("[data-bulk=disable]")
		tab.Click("#disable-dialog [value='" + until + "']")
	}
	selectMatching(tab, manyAccounts)
	disable("1h")
	tab.See("#toasts", "Tokens disabled until")
	holdMessage(tab, "#toasts button:not([aria-label])")
	tab.See("#token-table tbody tr:first-child", "Disabled")
	tab.See("#token-table tbody tr:first-child", "back in")
	off := func(want int) {
		t.Helper()
		stack.Eventually(t, fmt.Sprintf("%d tokens are disabled until a time", want), 20*time.Second, func() bool {
			var listed struct {
				Tokens []struct {
					DisabledUntil *time.Time `json:"disabled_until"`
				} `json:"tokens"`
				Total int `json:"total"`
			}
			gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens?state=disabled&count=true&limit=1000", nil).JSON(t, &listed)
			for _, each := range listed.Tokens {
				if each.DisabledUntil == nil {
					return false
				}
			}
			return listed.Total == want && len(listed.Tokens) == want
		})
	}
	off(manyAccounts)
	tab.Click("#toasts button:not([aria-label])")
	tab.See("#toasts", "Changes undone: 120")
	off(0)
}

// selectMatching selects all accounts of a list of more than a page.
func selectMatching(tab *browser.Tab, total int) {
	tab.Click("#select-all")
	tab.See("#bulk-count", "50 selected")
	tab.Click("#bulk-all")
	tab.See("#bulk-count", fmt.Sprintf("All %d that match are selected", total))
}

// An admin gives all tokens that match a tag, a cap and a weight, as one change, and takes it back.
func TestManyAccountsAreEditedInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "team", 60, 0)
	tab := login(t, gateway, "/admin/tokens")
	tab.Follow("#pools a[href='/admin/tokens?upstream=openai']")
	tab.See(".table-line", "1–50 of 60")
	selectMatching(tab, 60)
	tab.Click("[data-bulk=edit]")
	tab.See("#bulk-edit-what", "Tokens: 60")
	tab.Click("#bulk-edit [value=save]")
	tab.See("#bulk-edit-status", "Say what is to be changed.")
	tab.Type("#bulk-edit-tags", "night, spare")
	tab.Type("#bulk-edit-cap", "3")
	tab.Type("#bulk-edit-weight", "2")
	lookAt(t, tab, "accounts-edit")
	tab.Click("#bulk-edit [value=save]")
	tab.See("#toasts", "Tokens changed: 60")
	tab.See("#token-table tbody tr:first-child .title", "night")
	holdMessage(tab, "#toasts button:not([aria-label])")
	having := func(want int) {
		t.Helper()
		stack.Eventually(t, fmt.Sprintf("%d tokens have it", want), 20*time.Second, func() bool {
			have := 0
			for _, each := range gateway.Tokens(t) {
				if strings.Join(each.Tags, " ") == "night spare" && each.Cap == 3 && each.Weight == 2 {
					have++
				}
			}
			return have == want
		})
	}
	having(60)
	tab.Click("#toasts button:not([aria-label])")
	tab.See("#toasts", "Changes undone: 60")
	having(0)
	tab.Go(gateway.URL + "/admin/activity?source=people&kind=tokens+changed")
	tab.See("main", "Tokens changed")
}

// The list shows what is left of the accounts' quotas, and which share each gets, where that is
// chosen.
func TestColumnsOfWhatIsLeftInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("cursor", "work", 3, 0)
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/tokens/"+tokens[1].ID+"/account?refresh=true", nil)
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+tokens[1].ID, map[string]any{"weight": 2})
	tab := login(t, gateway, "/admin/tokens")
	tab.Click("#columns summary")
	tab.Click("#columns [value=left]")
	tab.Click("#columns [value=share]")
	tab.Follow("#columns .primary")
	tab.See("#token-"+tokens[1].ID+" .left", "%")
	tab.See("#token-"+tokens[1].ID, "50 %")
	tab.See("#token-"+tokens[0].ID, "25 %")
	lookAt(t, tab, "accounts-left")
	tab.Click("#token-" + tokens[1].ID + " .title a")
	tab.See("#drawer-body #now-left-title", "Left")
	tab.Until("there is a bar", "document.querySelector('#drawer-body meter') !== null")
	lookAt(t, tab, "account-beside-left")
}

// A row of the list opens its account beside it, j and k go on to the next, and the way back closes
// it. What is shown stays current.
func TestAccountsOpenBesideTheList(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "team", 3, 0)
	tab := login(t, gateway, "/admin/tokens")
	tab.Go(gateway.URL + "/admin/tokens?sort=alias")
	shows := func(at int) {
		t.Helper()
		tab.See("#drawer-outcome", tokens[at].Alias)
		tab.Until("the focus is in it, and the address names it", "document.activeElement?.closest('#drawer') !== null && location.hash === '#account-"+tokens[at].ID+"'")
	}
	closed := func(at int) {
		t.Helper()
		tab.Until("it is closed, the focus is in its row, and the address names it no more",
			"!document.getElementById('drawer').open && document.activeElement?.closest('tr')?.id === 'token-"+tokens[at].ID+"' && location.hash === '' && location.search === '?sort=alias'")
	}
	tab.Click("#token-" + tokens[0].ID + " .title a")
	shows(0)
	tab.See("#drawer-body", "In flight")
	tab.See("#drawer-body", "No request with it has failed of late.")
	tab.Press("j")
	shows(1)
	tab.Press("j")
	shows(2)
	tab.Press("j") // there is none
	tab.Press("k")
	shows(1)
	browser.Eval[any](tab, `(() => {
		window.polls = [];
		const plain = window.fetch;
		window.fetch = async (address, options) => {
			const answer = await plain(address, options);
			if (String(address).endsWith('/now')) window.polls.push(options.headers?.['X-Carousel-Poll'] + ' ' + answer.status);
			return answer;
		};
		window.read = document.querySelector('#drawer-body a');
		window.read.focus();
		getSelection().selectAllChildren(document.querySelector('#drawer-body h2'));
	})()`)
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+tokens[1].ID, map[string]any{"enabled": false})
	tab.See("#drawer-outcome", "Disabled")
	tab.Until("what is in use stays", "document.activeElement === window.read && getSelection().anchorNode === document.querySelector('#drawer-body h2') && window.polls.at(-1) === '1 200'")
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+tokens[0].ID, map[string]any{"enabled": false})
	tab.Until("of another account it hears that nothing is new", "window.polls.at(-1) === '1 304'")
	browser.Eval[any](tab, "getSelection().removeAllRanges()") // what is selected is not to be lost by a click
	tab.Press("\x1b")
	closed(1)
	tab.Click("#token-" + tokens[2].ID + " .state") // beside the link
	shows(2)
	browser.Eval[any](tab, "void history.back()")
	closed(2)
	tab.Click("#token-" + tokens[2].ID + " [name=selected]")
	tab.Until("a box is ticked, and nothing is opened", "document.getElementById('drawer').open === false && document.querySelectorAll('[name=selected]:checked').length === 1")

	for _, language := range []string{"en", "zh"} {
		speak(tab, gateway, "/admin/tokens", language)
		tab.Go(gateway.URL + "/admin/tokens?sort=alias#account-" + tokens[0].ID)
		shows(0)
		inEveryLook(t, tab, "account-beside-"+language)
		tab.Use(looks[0])
	}
	tab.Follow("#drawer-page")
	tab.Until("its page is there", "location.pathname === '/admin/tokens/"+tokens[0].ID+"'")
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

// An admin tests one token of many: it serves the request, whoever is next, and one that is
// disabled says so.
func TestATokenIsTestedInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "team", 3, 0)
	tab := login(t, gateway, "/admin/tokens/"+tokens[1].ID)
	model := browser.Eval[string](tab, "document.getElementById('test-model').value")
	for range 2 { // round robin would not take it twice
		tab.Click("#test-send")
		tab.See("#test-answer", "Works")
		tab.See("#test-answer", model)
		tab.Until("the answer is there", "!document.getElementById('test-send').disabled")
	}
	stack.Eventually(t, "the log has both requests, with that token", 20*time.Second, func() bool {
		var logs struct {
			Entries []struct {
				TokenID string `json:"token_id"`
			} `json:"logs"`
		}
		gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/logs?token_id="+tokens[1].ID, nil).JSON(t, &logs)
		return len(logs.Entries) == 2
	})
	lookAt(t, tab, "token-test")
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+tokens[1].ID, map[string]any{"enabled": false})
	tab.Click("#test-send")
	tab.See("#test-answer", "Fails")
}

// An admin tests all accounts that match: what that costs is said first, then what each test has
// found.
func TestManyAccountsAreTestedInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "team", 60, 0)
	if err := s.Sim.SetRule(upstreamsim.Rule{Scenario: "http-401", Token: upstreamsim.Fingerprint(tokens[7].Secret)}); err != nil {
		t.Fatal(err)
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodPatch, "/admin/api/tokens/"+tokens[1].ID, map[string]any{"enabled": false})
	tab := login(t, gateway, "/admin/tokens")
	tab.Follow("#pools a[href='/admin/tokens?upstream=openai']")
	tab.See(".table-line", "1–50 of 60")
	selectMatching(tab, 60)
	tab.Follow("[data-bulk=test]")
	tab.See("#test-plan", "Requests: 60")
	tab.See("#test-plan", "openai")
	lookAt(t, tab, "tests-plan")
	tab.Click("#tests-start")
	tab.See("#tests-status", "Tested: 58 work, 2 don’t, 0 are not tested.")
	tab.See("[data-token='"+tokens[1].ID+"']", "Serves nothing now")
	tab.See("[data-token='"+tokens[7].ID+"']", "Token refused")
	tab.See("[data-token='"+tokens[7].ID+"']", "Replace its secret")
	tab.See("[data-token='"+tokens[8].ID+"']", "Works")
	lookAt(t, tab, "tests-found")
	var activity struct {
		Activities []struct {
			Entry struct {
				Details map[string]string `json:"details"`
			} `json:"entry"`
		} `json:"activities"`
	}
	gateway.MustAdmin(t, http.StatusOK, http.MethodGet, "/admin/api/activity?kind=tokens+tested", nil).JSON(t, &activity)
	if said := activity.Activities; len(said) != 1 || said[0].Entry.Details["count"] != "60" || said[0].Entry.Details["works"] != "58" {
		t.Errorf("the audit log says %v", said)
	}
}
