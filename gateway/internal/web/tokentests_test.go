package web_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/pricing"
	"carousel.internal/gateway/internal/tokentest"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// testDesk tests tokens of which all answer but t2, which is refused with hostile words.
func testDesk() *tokentest.Desk {
	return tokentest.New(tokentest.Params{
		Chat: func(_ context.Context, _ *chat.Request, _ caller.Caller, choice lease.Choice) iter.Seq2[chat.Event, error] {
			return func(yield func(chat.Event, error) bool) {
				if choice.TokenID == "t2" {
					yield(chat.Event{}, chat.Errorf(chat.NoTokens, "%s", hostile))
					return
				}
				yield(chat.Event{Usage: &chat.Usage{Prompt: 10, Completion: 2, Source: chat.UsageReported}}, nil)
			}
		},
		Models: func(name string) []string {
			return map[string][]string{"cursor": {"gpt-4o"}, "vendor": {"unheard-of"}}[name]
		},
		Prices: &pricing.Table{}, LookPause: 1,
	})
}

// Without a script what was ticked is sent by a form: first the cost is said, then what was found.
func TestTokensAreTestedByAForm(t *testing.T) {
	t.Parallel()
	other := &tokenstorev1.Token{Id: "t7", Upstream: "cursor", Alias: "bo", State: tokenstorev1.TokenState_TOKEN_STATE_READY}
	strange := &tokenstorev1.Token{Id: "t8", Upstream: "vendor", Alias: "strange", State: tokenstorev1.TokenState_TOKEN_STATE_READY}
	store := full()
	store.answers = append([]proto.Message{&tokenstorev1.ListTokensResponse{Tokens: []*tokenstorev1.Token{cooling, other, strange}}}, store.answers...)
	site := newSite(t, store)
	form := url.Values{"csrf": {site.session.CSRF}, "selected": {"t2", "t7", "t8", "gone", "t7"}}
	page := site.submit(t, "/admin/tokens/test", form).page
	plan := text(page.byID("test-plan"))
	for _, said := range []string{"Requests: 3", "about $", "at most $", "No price is known for 1", "gpt-4o", "unheard-of"} {
		if !strings.Contains(plan, said) {
			t.Errorf("%q is not said: %s", said, plan)
		}
	}
	if len(store.kept) != 0 {
		t.Errorf("there was a test: %v", store.kept)
	}
	ids := page.all(func(n *html.Node) bool { return attribute(n, "name") == "selected" })
	if len(ids) != 3 || attribute(ids[1], "value") != "t7" {
		t.Errorf("the form has %d ids", len(ids))
	}
	form.Set("do", "test")
	page = site.submit(t, "/admin/tokens/test", form).page
	if found := text(page.byID("tests-table")); !strings.Contains(found, "bo cursor Ready Works") || !strings.Contains(found, "Fails Serves nothing now In the log "+hostile) || !strings.Contains(found, "Bring it back") {
		t.Errorf("found: %s", found)
	}
	if said := text(page.byID("tests-status")); said != "2 work, 1 don’t." {
		t.Errorf("said: %s", said)
	}
	if !slices.Equal(store.kept, []string{"tokens tested"}) || store.details["count"] != "3" || store.details["works"] != "2" {
		t.Errorf("audited: %v %v", store.kept, store.details)
	}
}

// Of all that match the first are tested, as the list has them, and it is said how many are not.
func TestAllThatMatchAreTested(t *testing.T) {
	t.Parallel()
	tokens := make([]*tokenstorev1.Token, tokentest.Most)
	for i := range tokens {
		tokens[i] = &tokenstorev1.Token{Id: fmt.Sprint("x", i), Upstream: "cursor"}
	}
	site := newSite(t, countedStore(3000, tokens...))
	page := site.submit(t, "/admin/tokens/test", url.Values{"csrf": {site.session.CSRF}, "matching": {"1"}, "state": {"parked"}, "sort": {"alias"}, "q": {"x"}}).page
	if said := text(page.byID("test-left")); !strings.HasPrefix(said, "3000 tokens are chosen. At most 200 are tested") {
		t.Errorf("said: %s", said)
	}
	asked := site.store.asked[0].(*tokenstorev1.ListTokensRequest)
	if asked.GetState() != tokenstorev1.TokenState_TOKEN_STATE_PARKED || asked.GetLimit() != 200 || asked.GetOrder() != tokenstorev1.TokenOrder_TOKEN_ORDER_ALIAS || asked.GetQuery() != "x" {
		t.Errorf("asked %v", asked)
	}
}

func TestTestsThatAreNone(t *testing.T) {
	t.Parallel()
	site := newSite(t, full())
	if w := site.submit(t, "/admin/tokens/test", url.Values{"csrf": {site.session.CSRF}}); w.code != http.StatusBadRequest || !strings.Contains(text(w.page.root), "No token is chosen") {
		t.Errorf("without a token: %d", w.code)
	}
	if w := site.submit(t, "/admin/tokens/test", url.Values{"selected": {"t2"}}); w.code != http.StatusForbidden {
		t.Errorf("of another site: %d", w.code)
	}
	if w := site.post(t, "/admin/tokens/test", url.Values{"selected": {"t2"}}); w.Code != http.StatusSeeOther {
		t.Errorf("without a session: %d", w.Code)
	}
	if w := site.get(t, "/admin/tokens/test"); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/admin/tokens" {
		t.Errorf("loaded again: %d %s", w.Code, w.Header().Get("Location"))
	}
}
