package web_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Columns are chosen by a form, without a script, and remembered by the browser.
func TestColumnsAreChosen(t *testing.T) {
	t.Parallel()
	site := newSite(t, countedStore(1, cooling))
	shown := func(cookie string) []string {
		t.Helper()
		var headers []string
		if cookie != "" {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			headers = []string{"Cookie", site.session.Cookie(r).String() + "; " + cookie}
		}
		page := parse(t, site.get(t, "/admin/tokens", headers...).Body)
		var names []string
		for _, cell := range page.all(func(n *html.Node) bool { return n.Data == "td" && attribute(n, "data-label") != "" }) {
			names = append(names, attribute(cell, "data-label"))
		}
		for _, box := range page.all(func(n *html.Node) bool { return attribute(n, "name") == "column" }) {
			if slices.Contains(names, text(box.Parent)) != slices.ContainsFunc(box.Attr, func(a html.Attribute) bool { return a.Key == "checked" }) {
				t.Errorf("%s is ticked otherwise than shown", text(box.Parent))
			}
		}
		return names
	}
	usual := []string{"State", "Expires", "In flight", "Requests", "Failed", "Last used", "Added"}
	if got := shown(""); !slices.Equal(got, usual) {
		t.Errorf("usually there are %q", got)
	}
	for query, c := range map[string]struct {
		cookie string
		shown  []string
	}{
		"column=weight&column=state":                      {"carousel_token_columns=state.weight", []string{"State", "Weight"}},
		"column=proxy&column=kind&column=mood&column=<b>": {"carousel_token_columns=kind.proxy", []string{"Kind", "Proxy"}},
		"":                              {"carousel_token_columns=none", nil},
		"usual=1&column=weight":         {"", usual},
		"column=fingerprint&q=a&page=2": {"carousel_token_columns=fingerprint", []string{"Fingerprint"}},
	} {
		w := site.get(t, "/admin/tokens/columns?"+query)
		set, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
		if c.cookie == "" {
			if !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
				t.Errorf("%s: %s", query, w.Header().Get("Set-Cookie"))
			}
			set = ""
		}
		want := "/admin/tokens"
		if strings.Contains(query, "q=a") {
			want = "/admin/tokens?page=2&q=a"
		}
		if w.Code != http.StatusSeeOther || set != c.cookie || w.Header().Get("Location") != want {
			t.Errorf("%s: %d %s, then %s", query, w.Code, set, w.Header().Get("Location"))
		}
		if got := shown(set); !slices.Equal(got, c.shown) {
			t.Errorf("%s shows %q", query, got)
		}
	}
}
