package browser_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"carousel.internal/deploy/e2e/browser"
)

// The checks themselves must be able to fail: a page with one fault of each kind.
func TestFaultsAreFound(t *testing.T) {
	const page = `<!doctype html><title></title><body><style>
		.faint { color: #bbb; background: #fff } .wide { width: 3000px }
		</style><h1>One</h1><h3>Three</h3><input><button></button><a href="/x"></a><img src="data:,">
		<table><tr><th>head</th></tr><tr><td id="a">x</td></tr></table><p id="a" class="faint">hard to read</p><p class="wide">wide</p>
		<script>console.error("loud"); fetch("http://example.invalid/").catch(() => {}); throw new Error("thrown")</script>`
	tab := open(t, page)
	tab.Use(browser.Look{Width: 400})
	found := strings.Join(tab.Accessibility(), "\n")
	for _, fault := range []string{
		"names no language", "has no title", "main landmarks", "heading level 3", "no name: <input", "no name: <button", "no name: <a ", "no alt", "without scope",
		"the id a", "contrast 1.9", "the page is 30",
	} {
		if !strings.Contains(found, fault) {
			t.Errorf("%q was not found:\n%s", fault, found)
		}
	}
	noted := strings.Join(tab.Problems(), "\n")
	for _, fault := range []string{"loud", "thrown", "another host: http://example.invalid/"} {
		if !strings.Contains(noted, fault) {
			t.Errorf("%q was not noted:\n%s", fault, noted)
		}
	}
}

func TestAGoodPageHasNoFaults(t *testing.T) {
	tab := open(t, `<!doctype html><html lang="en"><title>Good</title><body><main><h1>Good</h1><label>Name <input></label><button>Go</button>
		<table><tr><th scope="col">head</th></tr><tr><td>x</td></tr></table></main>`)
	for _, dark := range []bool{false, true} {
		tab.Use(browser.Look{Width: 390, Dark: dark})
		if found := tab.Accessibility(); len(found) > 0 {
			t.Errorf("dark %t: %s", dark, found)
		}
	}
	tab.See("h1", "Good")
	tab.Type("input", "text")
	if value := browser.Eval[string](tab, "document.querySelector('input').value"); value != "text" {
		t.Errorf("the field has %q", value)
	}
	if noted := tab.Problems(); len(noted) > 0 {
		t.Errorf("noted %v", noted)
	}
}

func open(t *testing.T, page string) *browser.Tab {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/" {
			_, _ = io.WriteString(w, page)
		}
	}))
	t.Cleanup(server.Close)
	tab := browser.Open(t, server.URL)
	tab.Go(server.URL + "/")
	return tab
}
