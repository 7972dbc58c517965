package web_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A search finds what is named so, of every kind, and not more than can be read.
func TestSearch(t *testing.T) {
	t.Parallel()
	entries := &tokenstorev1.QueryResponse{Entries: []*tokenstorev1.LogEntry{{Id: "chatcmpl-0b7cafc8", Model: "m1"}}}
	many := &tokenstorev1.ListTokensResponse{}
	for i := range 5 {
		many.Tokens = append(many.Tokens, &tokenstorev1.Token{Id: fmt.Sprint("t", i), Alias: fmt.Sprint("alias ", i), Upstream: "cursor"})
	}
	s := full()
	s.answers = append([]proto.Message{entries, many}, s.answers...)
	for name, c := range map[string]struct {
		query string
		want  []string
	}{
		"the id in the log":   {"chatcmpl-0b7cafc8", []string{"/admin/logs/chatcmpl-0b7cafc8"}},
		"the client's id":     {"0123456789abcdef0123456789abcdef", []string{"/admin/logs/chatcmpl-0b7cafc8"}},
		"a page":              {"backup", []string{"/admin/backup"}},
		"the pages of a part": {"accounts", []string{"/admin/tokens", "/admin/upstreams", "/admin/quotas"}},
		"a setting":           {"max_attempts", []string{"/admin/settings#setting-max_attempts"}},
		"a model":             {"GPT-4", []string{"/admin/why?model=gpt-4o"}},
		"an upstream":         {"curs", []string{"/admin/tokens?upstream=cursor"}},
		"tokens and keys":     {"x", []string{"/admin/tokens/t0", "/admin/tokens/t4", "/admin/keys/k1"}},
		"nothing":             {"", []string{"/admin/", "/admin/prices", "/admin/try"}},
	} {
		site := newSite(t, s)
		page := text(parse(t, site.get(t, "/admin/search?q="+c.query).Body).byID("hits"))
		w := site.get(t, "/admin/search/hits?q="+c.query)
		if w.Code != 200 || page == "" {
			t.Errorf("%s: %d, the page shows %q", name, w.Code, page)
		}
		if n := strings.Count(w.Body.String(), `"href"`); n > 20 {
			t.Errorf("%s: %d hits", name, n)
		}
		for _, href := range c.want {
			if !strings.Contains(w.Body.String(), `"href":"`+href+`"`) {
				t.Errorf("%s: %s is not in %s", name, href, w.Body)
			}
		}
	}
	for _, asked := range s.asked {
		if query, ok := asked.(*tokenstorev1.QueryRequest); ok && (query.GetId() == "") == (query.GetRequestId() == "") {
			t.Errorf("asked %v", query)
		}
	}
}

// Who is not logged in learns nothing; what can't be searched is said, beside what was found.
func TestSearchThatFails(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	stranger := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/search/hits?q=m1", nil)
	if w := site.send(stranger); w.Code != 401 || strings.Contains(w.Body.String(), "m1") || len(site.store.asked) > 0 {
		t.Errorf("a stranger: %d %s", w.Code, w.Body)
	}
	if w := site.get(t, "/admin/search/hits?q="+strings.Repeat("x", 201)); w.Code != 200 || !strings.Contains(w.Body.String(), "at most 200 bytes") {
		t.Errorf("a long one: %d %s", w.Code, w.Body)
	}
	away := newSite(t, &store{err: status.Error(codes.Unavailable, "away")})
	if w := away.get(t, "/admin/search/hits?q=backup"); w.Code != 200 || !strings.Contains(w.Body.String(), "/admin/backup") || !strings.Contains(w.Body.String(), `"problem":"`) {
		t.Errorf("without a store: %d %s", w.Code, w.Body)
	}
}
