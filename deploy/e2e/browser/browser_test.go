package browser_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
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

// A click on what is covered at that moment does not reach the cover, and is tried again.
func TestAClickMeetsOnlyWhatItIsFor(t *testing.T) {
	tab := open(t, `<!doctype html><html lang="en"><title>Covered</title><body><main><button>Go</button></main>
		<div style="position: fixed; inset: 0"></div>
		<script>
			window.met = [];
			const cover = document.querySelector('div');
			cover.addEventListener('click', () => met.push('cover'));
			document.querySelector('button').addEventListener('click', () => met.push('button'));
			addEventListener('pointerdown', () => cover.remove(), true);
		</script>`)
	tab.Click("button")
	if met := browser.Eval[[]string](tab, "met"); !slices.Equal(met, []string{"button"}) {
		t.Errorf("the clicks met %v", met)
	}
}

// A click on a label is one on its field, whichever of both is meant and wherever the label stands.
func TestAClickOnALabelMeetsItsField(t *testing.T) {
	tab := open(t, `<!doctype html><html lang="en"><title>Labels</title><body><main>
		<label id="around"><input type="checkbox" id="within" style="opacity: 0"> Within</label>
		<input type="checkbox" id="beside"><label id="of" for="beside">Beside</label></main>`)
	for _, each := range []struct{ click, field string }{{"#within", "within"}, {"#around", "within"}, {"#of", "beside"}, {"#beside", "beside"}} {
		before := browser.Eval[bool](tab, each.field+".checked")
		tab.Click(each.click)
		if browser.Eval[bool](tab, each.field+".checked") == before {
			t.Errorf("a click on %s has not changed %s", each.click, each.field)
		}
	}
}

// Whoever follows a link is on the next page, however long that takes, and its scripts have run.
func TestALinkIsFollowedToAPageThatIsReady(t *testing.T) {
	const old = `<!doctype html><html lang="en"><title>Old</title><body><main><a href="/next">Next</a></main>`
	const next = `<!doctype html><html lang="en"><title>Next</title><script type="module" src="/late.js"></script><body>`
	asked := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch r.URL.Path {
		case "/":
			_, _ = io.WriteString(w, old)
		case "/next":
			_, _ = io.WriteString(w, next)
		case "/late.js":
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = io.WriteString(w, "await fetch('/wait'); window.hasRun = true;")
		case "/loaded":
			close(asked)
		case "/wait": // a module that waits does not keep its page from being complete
			select {
			case <-asked:
			case <-r.Context().Done():
			}
		}
	}))
	t.Cleanup(server.Close)
	tab := browser.Open(t, server.URL)
	tab.Before("addEventListener('load', () => { if (location.pathname === '/next') fetch('/loaded'); })")
	tab.Go(server.URL + "/")
	tab.Follow("a")
	if at := browser.Eval[string](tab, "`${location.pathname} ${window.hasRun}`"); at != "/next true" {
		t.Errorf("at %s", at)
	}
}
