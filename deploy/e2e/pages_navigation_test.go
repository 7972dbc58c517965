package e2e_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

const pressCtrlK = `document.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', ctrlKey: true, bubbles: true, cancelable: true }))`

// Two steps lead to why nothing serves a model, and one to a request, by the id that its client
// saw, or to a token, by its name.
func TestPagesFindTheirWay(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	tokens := s.AddTokens("openai", "team", 2, 0)
	answer := send(t, gateway, http.MethodPost, "/v1/chat/completions", stack.AdminToken, chatBody("gpt-test", "Hello", false), nil)
	id := answer.header.Get("X-Request-Id")
	s.Eventually("the request is logged", 20*time.Second, func() bool {
		return gateway.Admin(t, http.MethodGet, "/admin/api/logs/"+id, nil).Status == http.StatusOK
	})
	bulk(t, gateway, "disable", []string{tokens[0].ID, tokens[1].ID})

	tab := login(t, gateway, "/admin/")
	tab.Follow(".nav a[href='/admin/models']")
	tab.See("#models-sum", "Nothing can serve")
	tab.See("[data-key=model-gpt-test]", "2 × disabled")
	tab.Follow("[data-key=model-gpt-test] .row-link a")
	tab.See("#why-verdict", "Nothing can serve gpt-test now")
	bulk(t, gateway, "enable", []string{tokens[0].ID})
	tab.Follow(".tabs a[href='/admin/models']")
	tab.See("[data-key=model-gpt-test]", "1 of 2 accounts")

	browser.Eval[any](tab, pressCtrlK)
	tab.Type("#palette-field", tokens[1].Alias)
	tab.See("#palette-list [aria-selected=true]", tokens[1].Alias)
	for _, problem := range tab.Accessibility() {
		t.Errorf("the palette: %s", problem)
	}
	tab.Submit()
	tab.See("h1", tokens[1].Alias)
	tab.Press("/")
	tab.Leave("the id of a request", func() {
		tab.Type("#palette-field", id)
		tab.Press("\r") // mostly sooner than the list is there, which leads there by itself
	})
	tab.Until("the request's page is there", "location.pathname.startsWith('/admin/logs/')")
	tab.See("main", "gpt-test")

	tab.Go(gateway.URL + "/admin/search?q=" + id)
	tab.See("#hits", "gpt-test")
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
	drawPalette(t, tab, gateway)
}

// drawPalette draws the palette, where pictures are wanted.
func drawPalette(t *testing.T, tab *browser.Tab, gateway *stack.Gateway) {
	t.Helper()
	folder := os.Getenv("SCREENSHOTS")
	if folder == "" {
		return
	}
	for _, look := range []browser.Look{{Width: 1280}, {Width: 390, Dark: true}} {
		tab.Use(look)
		tab.Go(gateway.URL + "/admin/models")
		tab.Click("#open-search")
		tab.See("#palette-list", "Settings")
		tab.Type("#palette-field", "team")
		tab.See("#palette-list [aria-selected=true]", "team")
		tab.Screenshot(filepath.Join(folder, "palette-"+look.Name()+".png"))
	}
}

// An alarm leads to the requests that failed, and is quiet once somebody has acknowledged it.
func TestPagesAcknowledgeAnAlarm(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "team", 6, 4)
	trouble(t, s, s.AddTokens("cursor", "work", 3, 0)[0])
	tab := login(t, gateway, "/admin/")
	tab.See("#alarms", "1 alarm")
	tab.Follow("#needs form button")
	tab.See("#needs .known", "Acknowledged")
	tab.Gone("#alarms", "alarm")
	tab.Follow("#needs .known a.button")
	tab.See("#log-rows", "gpt-test")
	tab.Go(gateway.URL + "/admin/activity")
	tab.See("#audit", "Alarm acknowledged")
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(problems, "\n"))
	}
}
