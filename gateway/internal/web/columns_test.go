package web_test

import (
	"net/http"
	"net/url"
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

// Which columns of requests are shown is remembered, and stands in the address: a link shows the
// same to whoever remembers others.
func TestColumnsOfRequests(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	shown := func(path, cookie string) string {
		t.Helper()
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		page := parse(t, site.get(t, path, "Cookie", site.session.Cookie(r).String()+"; "+cookie).Body)
		var names []string
		for _, head := range page.all(func(n *html.Node) bool { return n.Data == "th" && attribute(n, "scope") == "col" }) {
			names = append(names, strings.Join(strings.Fields(text(head)), " "))
		}
		for _, row := range page.all(func(n *html.Node) bool { return strings.HasPrefix(attribute(n, "id"), "entry-") }) {
			if cells := len((document{root: row}).named("td")); cells != len(names) {
				t.Errorf("%s: a row has %d cells below %d heads", path, cells, len(names))
			}
		}
		return strings.Join(names, ", ")
	}
	const usual = "Time, Outcome, Model, Token Asked by, Total First byte, Prompt tokens Answer tokens, Cost, Attempts"
	for _, c := range []struct{ path, cookie, want string }{
		{"/admin/logs", "", usual},
		{"/admin/logs", "carousel_request_columns=id.model", "Time, Model, Request id"},
		{"/admin/logs?columns=replica.id.mood", "carousel_request_columns=model", "Time, Request id, Gateway replica"},
		{"/admin/logs?columns=none", "", "Time"},
	} {
		if got := shown(c.path, c.cookie); got != c.want {
			t.Errorf("%s with %q shows %s, want %s", c.path, c.cookie, got, c.want)
		}
	}
	for query, want := range map[string]struct{ location, cookie string }{
		"column=id&column=model&column=x&status=failure": {"/admin/logs?columns=model.id&status=failure", "carousel_request_columns=model.id"},
		"":        {"/admin/logs?columns=none", "carousel_request_columns=none"},
		"usual=1": {"/admin/logs?columns=outcome.model.token.total.tokens.cost.attempts", "carousel_request_columns="},
	} {
		w := site.get(t, "/admin/logs/columns?"+query)
		cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != want.location || cookie != want.cookie {
			t.Errorf("%q: %d %s, then %s", query, w.Code, cookie, w.Header().Get("Location"))
		}
	}
}

// New rows have the columns of the page that they come to, whatever was chosen elsewhere since.
func TestLiveTailHasTheColumnsOfItsPage(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	with := func(columns string) string {
		return site.session.Cookie(r).String() + "; carousel_request_columns=" + columns
	}
	page := parse(t, site.get(t, "/admin/logs", "Cookie", with("id.model")).Body)
	columns := attribute(page.byID("log-rows"), "data-columns")
	if columns != "model.id" {
		t.Fatalf("the page has %q", columns)
	}
	for asked, cells := range map[string]int{columns: 3, columns + ".mood": 3, "none": 1} {
		rows := site.get(t, "/admin/logs/tail?after=n0&columns="+asked, "Cookie", with("outcome.total.cost.attempts")).Body.String()
		if got := strings.Count(rows, "<td") + strings.Count(rows, "<th"); got != cells*strings.Count(rows, "<tr") || got == 0 {
			t.Errorf("%s: %d cells, want %d a row: %s", asked, got, cells, rows)
		}
	}
}

// The filters of the page keep the columns of its address, and the file does not have them.
func TestColumnsStayInAddresses(t *testing.T) {
	t.Parallel()
	page := parse(t, newSite(t, full()).get(t, "/admin/logs?columns=id&model=m").Body)
	for _, link := range (document{root: page.byID("log-views")}).named("a") {
		if !strings.Contains(attribute(link, "href"), "columns=id") {
			t.Errorf("a view leads to %s", attribute(link, "href"))
		}
	}
	if address := attribute(page.byID("log-file"), "href"); strings.Contains(address, "columns") {
		t.Errorf("the file is at %s", address)
	}
}

func TestRowsCanBeLow(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	for density, want := range map[string]string{"compact": "compact", "": "", "none": ""} {
		w := site.post(t, "/admin/preferences", url.Values{"density": {density}, "next": {"/admin/logs"}})
		cookie := ""
		for _, set := range w.Result().Cookies() {
			cookie = set.Name + "=" + set.Value
		}
		root := parse(t, site.get(t, "/admin/login", "Cookie", cookie).Body).named("html")[0]
		if got := attribute(root, "data-density"); got != want {
			t.Errorf("%q: rows are %q, want %q", density, got, want)
		}
	}
}
