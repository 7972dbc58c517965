package e2e_test

import (
	"testing"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

// Keys lead from place to place and from row to row, choose and edit; what goes into a field does
// nothing else, and who wants none has none.
func TestShortcuts(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "team", 3, 0)
	tab := login(t, gateway, "/admin/")
	tab.Leave("g a", func() { tab.Press("ga") })
	inRow := func(at string) {
		t.Helper()
		tab.Until("the focus is in row "+at, "document.activeElement.closest('tr') === [...document.querySelectorAll('main tbody tr')].at("+at+")")
	}
	for _, step := range []struct{ key, row string }{{"j", "0"}, {"j", "1"}, {"k", "0"}, {"k", "0"}, {"j", "1"}} {
		tab.Press(step.key)
		inRow(step.row)
	}
	tab.Press("x")
	tab.Until("the row is chosen", "document.activeElement.closest('tr').querySelector('input[type=checkbox]').checked")
	tab.Leave("e", func() { tab.Press("e") })
	tab.Until("it can be edited", "location.hash === '#edit'")

	tab.Go(gateway.URL + "/admin/logs")
	browser.Eval[any](tab, "void document.getElementById('f-query').focus()")
	tab.Press("gh?")
	tab.Until("the field has it", "document.activeElement.value === 'gh?' && !document.getElementById('shortcuts').open")

	for _, language := range []string{"en", "zh"} {
		speak(tab, gateway, "/admin/", language)
		tab.Press("?")
		tab.See("#shortcuts", "Ctrl")
		lookAt(t, tab, "shortcuts-"+language)
	}
	tab.Follow("#shortcuts [value=off]")
	tab.Press("?")
	tab.Click("[data-opens=shortcuts]")
	tab.See("#shortcuts", "Ctrl")
	tab.Follow("#shortcuts [name=shortcuts][value='']")
	tab.Press("?")
	tab.See("#shortcuts", "Ctrl")
	if problems := tab.Problems(); len(problems) > 0 {
		t.Errorf("the browser complains: %v", problems)
	}
}
