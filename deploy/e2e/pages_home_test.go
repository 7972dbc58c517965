package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

// A newcomer connects a client: Home waits for the first request, tells how it stands, and
// its chart leads to the requests.
func TestHomeInABrowser(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "team", 2, 0)
	tab := login(t, gateway, "/admin/")
	tab.See("#headline", "All 2 accounts can serve.")
	tab.See("#needs", "No backup was made yet")
	tab.See("#connect", "Waiting for the first request")
	lookAt(t, tab, "home-first")
	if failed := chats(t, s.Gateways, "gpt-test", 3, 1); failed > 0 {
		t.Fatalf("%d requests failed", failed)
	}
	tab.Until("the panel is green", "document.querySelector('#connect.done') && !document.querySelector('#first-came').hidden && document.querySelector('#first-waits').hidden")
	tab.See("[data-key=requests] .figure", "3")
	readChart(t, tab, gateway)

	tab.Go(gateway.URL + "/admin/usage?by=model&measure=requests")
	tab.Until("the chart can be read", "document.querySelector('.plot') !== null")
	browser.Eval[any](tab, "document.querySelector('.plot').dispatchEvent(new KeyboardEvent('keydown', {key: 'End'}))")
	tab.See(".told", "gpt-test")
	lookAt(t, tab, "home-usage")

	bulk(t, gateway, "disable", []string{gateway.Tokens(t)[0].ID, gateway.Tokens(t)[1].ID})
	tab.Go(gateway.URL + "/admin/")
	tab.See("#headline", "None of the 2 accounts can serve. openai can’t: its accounts are disabled.")
	tab.Follow("[name=language][value=zh]")
	tab.See("#headline", "2 个账号均不可用。 openai 不可用：其账号均已停用。")
	lookAt(t, tab, "home-zh")
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}

// readChart goes through the values with the keyboard, and from them to the requests.
func readChart(t *testing.T, tab *browser.Tab, gateway *stack.Gateway) {
	t.Helper()
	press := func(key string, shift bool) {
		browser.Eval[any](tab, fmt.Sprintf("document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: %q, shiftKey: %v, bubbles: true, cancelable: true}))", key, shift))
	}
	const plot = "document.querySelector('#traffic .plot')"
	browser.Eval[any](tab, plot+".focus()")
	press("Home", false)
	tab.Until("the first minute is told", plot+".getAttribute('aria-valuetext').includes('Succeeded 0, Failed 0')")
	press("End", true)
	tab.See("#traffic .told", "Show the requests")
	tab.See("#traffic .told", "Zoom in")
	lookAt(t, tab, "home-told")

	// What is new comes in, and the reader is not disturbed.
	if failed := chats(t, []*stack.Gateway{gateway}, "gpt-test", 1, 1); failed > 0 {
		t.Fatal("the request failed")
	}
	tab.See("[data-key=requests] .figure", "4")
	if !browser.Eval[bool](tab, "document.activeElement === "+plot+" && !document.querySelector('#traffic .told').hidden") {
		t.Error("a refresh has taken the focus or what was told")
	}
	const reached = "document.activeElement.matches('#traffic .told-leads a')"
	press("End", false)
	press("Enter", false)
	tab.Until("the link of the last minute has the focus", reached)
	if failed := chats(t, []*stack.Gateway{gateway}, "gpt-test", 1, 1); failed > 0 {
		t.Fatal("the request failed")
	}
	tab.See("[data-key=requests] .figure", "5")
	if !browser.Eval[bool](tab, reached) {
		t.Error("a refresh has taken the focus from the link")
	}
	press("Escape", false)
	press("Home", false)
	press("End", true)
	press("Enter", false)
	tab.Until("the link has the focus", reached)
	tab.Submit()
	tab.Until("the requests are there", "location.pathname === '/admin/logs' && location.search.includes('from=') && location.search.includes('to=') && document.querySelectorAll('#log-rows tr').length === 5")
}
