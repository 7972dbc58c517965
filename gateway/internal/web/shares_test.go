package web

import (
	"fmt"
	"strings"
	"testing"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A token's share is that of its own pool's requests, the busiest pool first; what is deleted or
// nobody's counts for none.
func TestShares(t *testing.T) {
	t.Parallel()
	row := func(token, upstream string, requests uint64) *tokenstorev1.UsageRow {
		return &tokenstorev1.UsageRow{TokenId: token, Upstream: upstream, Sums: &tokenstorev1.UsageSums{Requests: requests}}
	}
	named := func(id, upstream, alias string) *tokenstorev1.Token {
		return &tokenstorev1.Token{Id: id, Upstream: upstream, Alias: alias, MaskedSecret: "sk-a…b", State: tokenstorev1.TokenState_TOKEN_STATE_READY}
	}
	tells := func(string) bool { return false }
	got := sharesOf(&tokenstorev1.QueryUsageResponse{Rows: []*tokenstorev1.UsageRow{
		row("t1", "b", 1), row("t2", "b", 3), row("t3", "z", 5), row("gone", "z", 95), row("none", "", 7),
	}}, []*tokenstorev1.Token{named("t1", "b", "anna"), named("t2", "b", ""), named("t3", "z", "bo"), named("t4", "z", "idle")}, tells)
	var said []string
	for _, share := range got.Tokens {
		said = append(said, fmt.Sprintf("%s %s %d of %d", share.Upstream, share.Name, share.Requests, share.OfPool))
	}
	if joined := strings.Join(said, ", "); joined != "z bo 5 of 5, z idle 0 of 5, b sk-a…b 3 of 4, b anna 1 of 4" || got.More != 0 {
		t.Errorf("%s, %d more", joined, got.More)
	}
	var tokens []*tokenstorev1.Token
	for i := range sharesShown + 3 {
		tokens = append(tokens, named(fmt.Sprint("t", i), "a", ""))
	}
	if got := sharesOf(&tokenstorev1.QueryUsageResponse{}, tokens, tells); len(got.Tokens) != sharesShown || got.More != 3 || got.Tokens[0].Forecast != (forecast{1, 13, fillAll}) {
		t.Errorf("%d are shown, %d more", len(got.Tokens), got.More)
	}
}
