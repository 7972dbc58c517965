package web_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// A page that asks for itself again gets it compressed, or hears that nothing is new.
func TestPollsAreCompressedAndConditional(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	poll := []string{"X-Carousel-Poll", "1", "Accept-Encoding", "br, gzip"}
	first := site.get(t, "/admin/tokens", poll...)
	if first.Header().Get("Content-Encoding") != "gzip" || !strings.Contains(first.Header().Get("Vary"), "Accept-Encoding") {
		t.Fatalf("headers %v", first.Header())
	}
	reader, err := gzip.NewReader(first.Body)
	if err != nil {
		t.Fatal(err)
	}
	if page := parse(t, reader); page.byID("token-t2") == nil {
		t.Error("it is not the page")
	}
	again := site.get(t, "/admin/tokens", append(poll, "If-None-Match", first.Header().Get("ETag"))...)
	if again.Code != http.StatusNotModified || again.Body.Len() > 0 || again.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d, %d bytes, %v", again.Code, again.Body.Len(), again.Header())
	}
	site.store.answers = empty().answers
	if changed := site.get(t, "/admin/tokens", append(poll, "If-None-Match", first.Header().Get("ETag"))...); changed.Code != http.StatusOK {
		t.Errorf("a page that has changed: %d", changed.Code)
	}
}

// What is shown of an account beside the list is asked for again as a page is.
func TestAnAccountThatIsAsItWasIsNotSentAgain(t *testing.T) {
	t.Parallel()
	unchangedPoll(t, newSite(t, full()), "/admin/tokens/t1/now")
}

// unchangedPoll is how many bytes a gateway answers to a page that asks whether it is as it was.
func unchangedPoll(t *testing.T, site *site, path string) int {
	t.Helper()
	poll := []string{"X-Carousel-Poll", "1"}
	first := site.get(t, path, poll...)
	return bodilessSize(t, site, path, append(poll, "If-None-Match", first.Header().Get("ETag"))...)
}

// bodilessSize is how many bytes a gateway answers with nothing.
func bodilessSize(t *testing.T, site *site, path string, headers ...string) int {
	t.Helper()
	w := site.get(t, path, headers...)
	if w.Code != http.StatusNotModified && w.Code != http.StatusNoContent {
		t.Fatalf("%s: status %d", path, w.Code)
	}
	answer := w.Result()
	answer.Header.Set("Date", "Sat, 31 Jan 2026 12:00:00 GMT") // as the server adds it
	var sent bytes.Buffer
	if err := answer.Write(&sent); err != nil {
		t.Fatal(err)
	}
	return sent.Len()
}

// A page of tokens that nobody looks at, in which nothing happens, and that has no stream of
// events, costs at most 5 KB a minute: it asks every 4 s whether there is anything new, and between
// two of these at most once whether the gateway is there.
func TestIdlePagesCostLittle(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	unchanged, ping := unchangedPoll(t, site, "/admin/tokens"), bodilessSize(t, site, "/admin/ping")
	const polls, most = 60 / 4, 5 * 1024
	if all := polls * (unchanged + ping); all > most {
		t.Errorf("%d bytes a minute: %d of each poll and %d of each ping", all, unchanged, ping)
	} else {
		t.Logf("%d bytes a minute", all)
	}
}

var imported = regexp.MustCompile(`(?:from|import) '\./([^']+)'`)

// Who opens Home for the first time loads at most 120 KB: the page, which is not
// compressed for one who has typed its address, and all that it needs.
func TestFirstLoadIsSmall(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	opened := site.get(t, "/admin/", "Sec-Fetch-Site", "none", "Accept-Encoding", "gzip")
	all := opened.Body.Len()
	page := parse(t, opened.Body)
	seen := map[string]bool{}
	var load func(address string)
	load = func(address string) {
		if seen[address] {
			return
		}
		seen[address] = true
		all += site.get(t, address, "Accept-Encoding", "gzip").Body.Len()
		folder, _ := path.Split(address)
		for _, each := range imported.FindAllStringSubmatch(site.get(t, address).Body.String(), -1) {
			load(folder + each[1])
		}
	}
	for _, each := range page.all(func(n *html.Node) bool { return n.Data == "script" || n.Data == "link" }) {
		load(attribute(each, "src") + attribute(each, "href"))
	}
	load(attribute(page.named("html")[0], "data-texts"))
	if all > 120*1024 || len(seen) < 8 {
		t.Errorf("%d bytes of a page and %d assets", all, len(seen))
	} else {
		t.Logf("%d bytes of a page and %d assets", all, len(seen))
	}
}

// Another site can have a browser ask for a page, with words of its choice: the length
// of that answer must not depend on how these are like what is secret in it.
func TestPagesThatOthersAskForAreNotCompressed(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	for name, c := range map[string]struct {
		headers []string
		want    string
	}{
		"from elsewhere":  {[]string{"Sec-Fetch-Site", "cross-site"}, ""},
		"typed":           {[]string{"Sec-Fetch-Site", "none"}, ""},
		"unknown":         {nil, ""},
		"a page of ours":  {[]string{"Sec-Fetch-Site", "same-origin"}, "gzip"},
		"can't read gzip": {[]string{"Sec-Fetch-Site", "same-origin", "Accept-Encoding", "gzip;q=0, br"}, ""},
	} {
		headers := append([]string{"Accept-Encoding", "gzip"}, c.headers...)
		if got := site.get(t, "/admin/tokens", headers...).Header().Get("Content-Encoding"); got != c.want {
			t.Errorf("%s: encoding %q, want %q", name, got, c.want)
		}
	}
}

func TestAssetsAreCompressed(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	page := parse(t, site.get(t, "/admin/try").Body)
	for _, n := range page.named("link") {
		if attribute(n, "rel") != "stylesheet" {
			continue
		}
		plain, small := site.get(t, attribute(n, "href")), site.get(t, attribute(n, "href"), "Accept-Encoding", "gzip")
		if small.Header().Get("Content-Encoding") != "gzip" || small.Body.Len()*2 > plain.Body.Len() || plain.Header().Get("Content-Encoding") != "" {
			t.Errorf("%d bytes, compressed %d, %v", plain.Body.Len(), small.Body.Len(), small.Header())
		}
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	site := newSite(t, &store{})
	w := site.send(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/ping", nil))
	if w.Code != http.StatusNoContent || len(site.store.asked) > 0 {
		t.Errorf("%d, asked %v", w.Code, site.store.asked)
	}
}

func TestUnknownAddresses(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	for name, c := range map[string]struct {
		path, accept string
		page         bool
	}{
		"a browser":                 {"/admin/typo", "text/html,*/*;q=0.8", true},
		"a program":                 {"/admin/typo", "application/json", false},
		"the API":                   {"/admin/api/typo", "text/html", false},
		"elsewhere":                 {"/typo", "text/html", false},
		"a browser in the pages":    {"/admin/tokens/x/y", "text/html", true},
		"nobody says what it wants": {"/admin/typo", "", false},
	} {
		w := site.get(t, c.path, "Accept", c.accept)
		if isPage := strings.HasPrefix(w.Header().Get("Content-Type"), "text/html"); w.Code != 404 || isPage != c.page {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		if c.page && parse(t, w.Body).byID("main") == nil {
			t.Errorf("%s: no page", name)
		}
	}
	if w := site.get(t, "/favicon.ico"); w.Code != 200 || w.Header().Get("Content-Type") != "image/svg+xml" {
		t.Errorf("icon: %d %v", w.Code, w.Header())
	}
}
