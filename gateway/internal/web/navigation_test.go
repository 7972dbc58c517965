package web_test

import (
	"slices"
	"testing"

	"golang.org/x/net/html"
)

// Each page stands in one entry of the navigation and, where that has several, in one tab.
func TestNavigation(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	for path, want := range map[string][]string{
		"/admin/":            {"Home"},
		"/admin/logs":        {"Requests"},
		"/admin/logs/x":      {"Requests"},
		"/admin/usage":       {"Usage", "Use"},
		"/admin/usage/left":  {"Usage", "What is left"},
		"/admin/prices":      {"Usage", "Prices"},
		"/admin/models":      {"Models", "Models"},
		"/admin/routes/edit": {"Models", "Routes"},
		"/admin/why":         {"Models", "Why"},
		"/admin/tokens/t2":   {"Accounts", "Tokens"},
		"/admin/upstreams":   {"Accounts", "Upstreams"},
		"/admin/quotas":      {"Accounts", "What is left"},
		"/admin/keys/k1":     {"Keys"},
		"/admin/activity":    {"Activity"},
		"/admin/settings":    {"Settings", "Settings"},
		"/admin/backup":      {"Settings", "Backup"},
		"/admin/token-files": {"Settings", "Token files"},
		"/admin/move-in":     {"Accounts", "Tokens"},
		"/admin/pages":       {"Settings", "Page contents"},
		"/admin/try":         {"Try it"},
		"/admin/search":      nil,
	} {
		var marked []string
		for _, n := range parse(t, site.get(t, path).Body).all(func(n *html.Node) bool {
			return n.Data == "a" && attribute(n, "aria-current") != ""
		}) {
			if inNavigation(n) {
				marked = append(marked, text(n))
			}
		}
		if !slices.Equal(marked, want) {
			t.Errorf("%s: marked are %q, want %q", path, marked, want)
		}
	}
}

// inNavigation tells whether a link is one of the frame's, not of the page itself.
func inNavigation(n *html.Node) bool {
	for parent := range n.Ancestors() {
		if parent.Data == "header" || attribute(parent, "class") == "tabs" {
			return true
		}
	}
	return false
}

// There are eight entries, and each page of them is there.
func TestEveryPlaceIsThere(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	var places []string
	page := parse(t, site.get(t, "/admin/").Body)
	for _, n := range page.all(func(n *html.Node) bool { return n.Data == "a" && inNavigation(n) && attribute(n, "class") == "" }) {
		places = append(places, attribute(n, "href"))
	}
	if len(places) != 8 {
		t.Errorf("%d entries: %q", len(places), places)
	}
	for _, place := range places {
		tabs := parse(t, site.get(t, place).Body).all(func(n *html.Node) bool { return n.Data == "a" && inNavigation(n) })
		for _, tab := range tabs {
			if w := site.get(t, attribute(tab, "href")); w.Code != 200 {
				t.Errorf("%s: %d", attribute(tab, "href"), w.Code)
			}
		}
	}
}
