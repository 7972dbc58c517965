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

// An account in short: its state, why and until when, what is left, what it was used for, what
// failed, and where to go on.
func TestAccountInShort(t *testing.T) {
	t.Parallel()
	until := timestamppb.New(time.Now().Add(time.Hour))
	s := full()
	s.answers = append([]proto.Message{
		&tokenstorev1.GetTokenResponse{Token: &tokenstorev1.Token{
			Id: "t1", Alias: "anna", Upstream: "cursor", State: tokenstorev1.TokenState_TOKEN_STATE_COOLING, Enabled: true,
			CoolingUntil: until, LastError: "slow down", InFlight: 1, Cap: 4, Weight: 2,
		}},
		&tokenstorev1.ListTokenAccountsResponse{Accounts: []*tokenstorev1.AccountOfToken{counted("t1", 30, 100)}},
		&tokenstorev1.ListTransitionsResponse{Transitions: []*tokenstorev1.Transition{
			{Kind: "cooling", Class: "rate_limit", Model: "gpt-4o", At: moment, Until: until, Detail: "slow down"},
			{Kind: "cooling", Class: "auth", At: moment},
			{Kind: "cooling", Class: "auth", At: moment},
			{Kind: "parked", Class: "quota", At: moment},
		}},
		&tokenstorev1.QueryUsageResponse{Rows: []*tokenstorev1.UsageRow{{
			TokenId: "t1", Start: timestamppb.New(time.Now().UTC().Truncate(time.Hour)), Sums: &tokenstorev1.UsageSums{Requests: 12, Failures: 3, PromptTokens: 40, CompletionTokens: 5},
		}}},
		&tokenstorev1.QueryResponse{Entries: []*tokenstorev1.LogEntry{{Id: "r7", StartedAt: moment, ErrorKind: "rate_limited", Model: "gpt-4o"}}},
	}, s.answers...)
	w := newSite(t, s).get(t, "/admin/tokens/t1/now")
	page := parse(t, w.Body)
	shown := text(page.byID("account-now"))
	for _, said := range []string{"Cooling", "slow down", "gpt-4o", "1 / 4", "70 of 100 requests", "12 requests, 3 of them failed", "Last failures", "Rate limit"} {
		if !strings.Contains(shown, said) {
			t.Errorf("%q is not in %s", said, shown)
		}
	}
	if strings.Contains(shown, "Quota") {
		t.Errorf("events of long ago are shown: %s", shown)
	}
	if state := text(page.byID("account-state")); !strings.Contains(state, "anna") || !strings.Contains(state, "Cooling") {
		t.Errorf("it is called %s", state)
	}
	if drawn := (document{page.byID("account-now")}).named("path"); len(drawn) != 1 {
		t.Errorf("its last hours are drawn in %d paths", len(drawn))
	}
	links := map[string]bool{}
	for _, link := range (document{page.byID("account-now")}).named("a") {
		links[attribute(link, "href")] = true
	}
	for _, wanted := range []string{"/admin/tokens/t1", "/admin/tokens/t1#edit", "/admin/logs/r7", "/admin/logs?token_id=t1", "/admin/usage?token=t1"} {
		if !links[wanted] {
			t.Errorf("nothing leads to %s: %v", wanted, links)
		}
	}
	for _, query := range askedFor[*tokenstorev1.QueryRequest](s) {
		if query.GetTokenId() != "t1" || query.GetStatus() != "failure" || query.GetLimit() > 5 {
			t.Errorf("the log is asked for %v", query)
		}
	}
	if w.Code != http.StatusOK {
		t.Errorf("status %d", w.Code)
	}
}

// The rows of the list lead to the accounts' own pages where no script opens them.
func TestAccountsAreLinksWithoutAScript(t *testing.T) {
	t.Parallel()
	page := parse(t, newSite(t, countedStore(1, ready("t1", 1, 0))).get(t, "/admin/tokens").Body)
	links := (document{page.byID("token-t1")}).named("a")
	if len(links) == 0 || attribute(links[0], "href") != "/admin/tokens/t1" || page.byID("drawer") == nil {
		t.Errorf("links %v", links)
	}
}
