package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"carousel.internal/deploy/e2e/browser"
	"carousel.internal/deploy/e2e/stack"
)

// looks are the ways of looking at a page; the first is the usual one.
var looks = []browser.Look{{Width: 1280}, {Width: 1280, Dark: true}, {Width: 390}, {Width: 390, Dark: true}}

// inEveryLook finds nothing, in any look of a page, that keeps people from using it. With
// SCREENSHOTS=<folder> each look is also drawn. The tab is left in the last one.
func inEveryLook(t *testing.T, tab *browser.Tab, name string) {
	t.Helper()
	for _, look := range looks {
		tab.Use(look)
		for _, problem := range tab.Accessibility() {
			t.Errorf("%s, %s: %s", name, look.Name(), problem)
		}
		if folder := os.Getenv("SCREENSHOTS"); folder != "" {
			tab.Screenshot(filepath.Join(folder, name+"-"+look.Name()+".png"))
		}
	}
}

// lookAt is inEveryLook, and leaves the tab in the usual one.
func lookAt(t *testing.T, tab *browser.Tab, name string) {
	t.Helper()
	inEveryLook(t, tab, name)
	tab.Use(looks[0])
}

// speak goes to a page and has the pages in a language from there on.
func speak(tab *browser.Tab, gateway *stack.Gateway, path, language string) {
	tab.Go(gateway.URL + path)
	tab.Follow("[name=language][value=" + language + "]")
	tab.Until("the page is in that language", fmt.Sprintf("document.documentElement.lang.startsWith(%q)", language))
}
