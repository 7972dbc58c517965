package web_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// countedStore is a store of which so many tokens match, and a page has these.
func countedStore(total uint32, tokens ...*tokenstorev1.Token) *store {
	s := full()
	s.answers = append([]proto.Message{&tokenstorev1.ListTokensResponse{Tokens: tokens, Total: &total}}, s.answers...)
	return s
}

func TestWhatTheTableOfTokensAsks(t *testing.T) {
	t.Parallel()
	newest := func(change func(*tokenstorev1.ListTokensRequest)) *tokenstorev1.ListTokensRequest {
		request := &tokenstorev1.ListTokensRequest{Limit: 50, NewestFirst: true, Counted: true}
		change(request)
		return request
	}
	for query, want := range map[string]*tokenstorev1.ListTokensRequest{
		"":                         newest(func(*tokenstorev1.ListTokensRequest) {}),
		"?sort=created_at":         newest(func(r *tokenstorev1.ListTokensRequest) { r.NewestFirst = false }),
		"?sort=alias":              newest(func(r *tokenstorev1.ListTokensRequest) { r.Order = tokenstorev1.TokenOrder_TOKEN_ORDER_ALIAS }),
		"?sort=mood":               newest(func(*tokenstorev1.ListTokensRequest) {}),
		"?page=3&size=200":         newest(func(r *tokenstorev1.ListTokensRequest) { r.Limit, r.Offset = 200, 400 }),
		"?page=-1&size=7":          newest(func(*tokenstorev1.ListTokensRequest) {}),
		"?page=99999999999&size=x": newest(func(r *tokenstorev1.ListTokensRequest) { r.Offset = 9999 * 50 }),
		"?sort=-failures&upstream=cursor": newest(func(r *tokenstorev1.ListTokensRequest) {
			r.Order, r.Descending, r.Upstream = tokenstorev1.TokenOrder_TOKEN_ORDER_FAILURES, true, "cursor"
		}),
	} {
		site := newSite(t, countedStore(1, cooling))
		site.get(t, "/admin/tokens"+query)
		if asked := site.store.asked[0]; !proto.Equal(asked, want) {
			t.Errorf("%s asked %v, want %v", query, asked, want)
		}
	}
}

func TestTableOfTokens(t *testing.T) {
	t.Parallel()
	off := &tokenstorev1.Token{Id: "t7", Upstream: "vendor", State: tokenstorev1.TokenState_TOKEN_STATE_DISABLED, DisabledUntil: timestamppb.New(moment.AsTime())}
	page := parse(t, newSite(t, countedStore(3000, cooling, off)).get(t, "/admin/tokens?sort=-failures&page=2&tag=a").Body)
	said := text(page.byID("tokens"))
	for _, shown := range []string{"51–100 of 3,000", "vendor", "back 2026-01-31 12:00:00 UTC"} {
		if !strings.Contains(said, shown) {
			t.Errorf("%q is not shown: %s", shown, said)
		}
	}
	if got := attribute(page.byID("tokens"), "data-total") + attribute(page.byID("tokens"), "data-filter"); got != `3000{"q":"","state":"","tag":"a","upstream":""}` {
		t.Errorf("for the script: %s", got)
	}
	// Each column says how the table is sorted, and sorts by itself.
	var headings []string
	for _, column := range page.all(func(n *html.Node) bool { return n.Data == "th" && attribute(n, "scope") == "col" }) {
		for link := range column.Descendants() {
			if link.Data == "a" {
				headings = append(headings, attribute(column, "aria-sort")+" "+attribute(link, "href"))
			}
		}
	}
	want := []string{
		" /admin/tokens?sort=alias&tag=a", " /admin/tokens?sort=state&tag=a", " /admin/tokens?sort=expires_at&tag=a", " /admin/tokens?sort=-requests&tag=a",
		"descending /admin/tokens?sort=failures&tag=a", " /admin/tokens?sort=-last_used_at&tag=a", " /admin/tokens?tag=a",
	}
	if !slices.Equal(headings, want) {
		t.Errorf("headings %q", headings)
	}
	for rel, want := range map[string]string{"prev": "/admin/tokens?sort=-failures&tag=a", "next": "/admin/tokens?page=3&sort=-failures&tag=a"} {
		links := page.all(func(n *html.Node) bool { return n.Data == "a" && attribute(n, "rel") == rel })
		if len(links) != 1 || attribute(links[0], "href") != want {
			t.Errorf("%s: %v", rel, links)
		}
	}
}

func TestUpstreamsBesideTheTokens(t *testing.T) {
	t.Parallel()
	page := parse(t, newSite(t, countedStore(1, cooling)).get(t, "/admin/tokens?upstream=cursor&page=2").Body)
	var pools []string
	for link := range page.byID("pools").Descendants() {
		if link.Data == "a" {
			pools = append(pools, fmt.Sprint(attribute(link, "href"), " ", attribute(link, "aria-current"), " ", text(link)))
		}
	}
	if len(pools) < 3 || !strings.HasPrefix(pools[0], "/admin/tokens  All accounts") || !slices.ContainsFunc(pools, func(pool string) bool {
		return strings.HasPrefix(pool, "/admin/tokens?upstream=cursor true cursor")
	}) {
		t.Errorf("%q", pools)
	}
}

// Who deletes the last page's tokens sees the page before.
func TestAPageBehindTheLast(t *testing.T) {
	t.Parallel()
	site := newSite(t, countedStore(60))
	site.get(t, "/admin/tokens?page=9")
	if asked := site.store.asked[1].(*tokenstorev1.ListTokensRequest); asked.GetOffset() != 50 {
		t.Errorf("asked %v", asked)
	}
}
