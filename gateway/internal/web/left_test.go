package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// listShowing is the list of tokens with these columns.
func listShowing(t *testing.T, s *store, columns, path string) document {
	t.Helper()
	site := newSite(t, s)
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	return parse(t, site.get(t, path, "Cookie", site.session.Cookie(r).String()+"; carousel_token_columns="+columns).Body)
}

func ready(id string, weight, tokenCap uint32) *tokenstorev1.Token {
	return &tokenstorev1.Token{
		Id: id, Alias: "of-" + id, Upstream: "cursor", State: tokenstorev1.TokenState_TOKEN_STATE_READY, Enabled: true, Weight: weight, Cap: tokenCap,
	}
}

// The column of what is left has the quota of which the smallest part is left, and asks for the
// accounts of the rows alone; of an account that tells nothing, or told it before its counting
// began anew, nothing is shown.
func TestColumnOfWhatIsLeft(t *testing.T) {
	t.Parallel()
	full, old := counted("t1", 30, 100), counted("t2", 30, 100)
	full.Account.Quotas = append(full.Account.Quotas, &tokenstorev1.TokenQuota{Name: "large", Requests: 45, MaxRequests: proto.Uint64(50)})
	old.Account.QuotaResetsAt = timestamppb.New(time.Now().Add(-time.Minute))
	vendor := ready("t3", 1, 0)
	vendor.Upstream = "vendor" // tells nothing of accounts
	s := countedStore(3, ready("t1", 1, 0), ready("t2", 1, 0), vendor)
	s.answers = append([]proto.Message{&tokenstorev1.ListTokenAccountsResponse{Accounts: []*tokenstorev1.AccountOfToken{full, old}}}, s.answers...)
	page := listShowing(t, s, "left", "/admin/tokens")
	if shown := text(page.byID("token-t1")); !strings.Contains(shown, "10 %") || !strings.Contains(shown, "anew 20") {
		t.Errorf("shown %s", shown)
	}
	meters := document{page.byID("token-t1")}.named("meter")
	if len(meters) != 1 || attribute(meters[0], "value") != "5" || attribute(meters[0], "max") != "50" || attribute(meters[0], "aria-label") != "Left of of-t1: large, requests" {
		t.Errorf("the bar is %v", meters)
	}
	for _, id := range []string{"token-t2", "token-t3"} {
		if len(document{page.byID(id)}.named("meter")) > 0 {
			t.Errorf("%s has a bar: %s", id, text(page.byID(id)))
		}
	}
	if asked := askedFor[*tokenstorev1.ListTokenAccountsRequest](s); len(asked) != 1 || strings.Join(asked[0].GetIds(), " ") != "t1 t2" {
		t.Errorf("asked for %v", asked)
	}
}

// Nobody reads accounts, or all of a pool, for columns that are not shown.
func TestColumnsThatAreNotShownCostNothing(t *testing.T) {
	t.Parallel()
	s := countedStore(1, ready("t1", 1, 0))
	listShowing(t, s, "state.requests", "/admin/tokens")
	if accounts, settings := askedFor[*tokenstorev1.ListTokenAccountsRequest](s), askedFor[*tokenstorev1.GetSettingsRequest](s); len(accounts)+len(settings) > 0 {
		t.Errorf("asked %v, %v", accounts, settings)
	}
	if lists := askedFor[*tokenstorev1.ListTokensRequest](s); len(lists) != 1 {
		t.Errorf("lists of tokens were asked for: %v", lists)
	}
}

// The column of shares says what each token gets of its pool's requests under the present strategy.
func TestColumnOfShares(t *testing.T) {
	t.Parallel()
	resting := ready("t3", 5, 0)
	resting.State = tokenstorev1.TokenState_TOKEN_STATE_COOLING
	for strategy, want := range map[string]map[string]string{
		"round_robin": {"t1": "25 %", "t2": "75 %", "t3": "0 %"},
		"fill_first":  {"t1": "as much as its cap allows", "t2": "what those before have no room for", "t3": "nothing"},
	} {
		tokens := []*tokenstorev1.Token{ready("t1", 1, 2), ready("t2", 3, 0), resting}
		for _, each := range tokens {
			each.Upstream = "vendor"
		}
		s := countedStore(3, tokens...)
		s.answers = append([]proto.Message{&tokenstorev1.GetSettingsResponse{Settings: &tokenstorev1.Settings{RotationStrategy: strategy}}}, s.answers...)
		page := listShowing(t, s, "share", "/admin/tokens?state=ready")
		for id, share := range want {
			if shown := text(page.byID("token-" + id)); !strings.Contains(shown, share) {
				t.Errorf("%s: %s shows %s", strategy, id, shown)
			}
		}
	}
}

// Of too many tokens there are no shares, which is said; the pool is not read.
func TestSharesOfTooManyTokens(t *testing.T) {
	t.Parallel()
	s := countedStore(1, ready("t1", 1, 0))
	s.answers = append([]proto.Message{&tokenstorev1.SummarizePoolsResponse{Pools: []*tokenstorev1.PoolState{{Upstream: "cursor", Ready: 501}}}}, s.answers...)
	page := listShowing(t, s, "share", "/admin/tokens")
	if said := text(page.byID("tokens")); !strings.Contains(said, "up to 500 accounts") {
		t.Errorf("said %s", said)
	}
}
