package web_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// counted is an account that has used a part of its limit; 0 is no limit.
func counted(id string, used, limit uint64) *tokenstorev1.AccountOfToken {
	quota := &tokenstorev1.TokenQuota{Name: "premium", Requests: used}
	if limit > 0 {
		quota.MaxRequests = proto.Uint64(limit)
	}
	return &tokenstorev1.AccountOfToken{
		Token: &tokenstorev1.Token{Id: id, Upstream: "cursor", State: tokenstorev1.TokenState_TOKEN_STATE_READY},
		Account: &tokenstorev1.TokenAccount{
			AsOf: moment, QuotaResetsAt: timestamppb.New(time.Now().Add(24 * time.Hour)), Quotas: []*tokenstorev1.TokenQuota{quota},
		},
	}
}

func quotasOf(t *testing.T, requests int, accounts ...*tokenstorev1.AccountOfToken) document {
	t.Helper()
	return quotasWith(t, requests, &tokenstorev1.ListTokensResponse{}, accounts...)
}

// quotasWith is the page where tokens rest.
func quotasWith(t *testing.T, requests int, rest *tokenstorev1.ListTokensResponse, accounts ...*tokenstorev1.AccountOfToken) document {
	t.Helper()
	return quotasAt(t, "/admin/quotas", requests, rest, accounts...)
}

func quotasAt(t *testing.T, path string, requests int, rest *tokenstorev1.ListTokensResponse, accounts ...*tokenstorev1.AccountOfToken) document {
	t.Helper()
	log := &tokenstorev1.QueryResponse{}
	for range requests {
		log.Entries = append(log.Entries, entry)
	}
	s := &store{answers: []proto.Message{
		log, rest, &tokenstorev1.ListTokenAccountsResponse{Accounts: accounts}, &tokenstorev1.GetSettingsResponse{},
		&tokenstorev1.SummarizePoolsResponse{Pools: []*tokenstorev1.PoolState{{Upstream: "cursor", Ready: uint32(len(accounts))}, {Upstream: "vendor", Ready: 1, Cooling: uint32(len(rest.GetTokens()))}}},
	}}
	return parse(t, newSite(t, s).get(t, path).Body)
}

// What the page says of a pool's reach.
func TestReachOfAPool(t *testing.T) {
	t.Parallel()
	silent := &tokenstorev1.AccountOfToken{Token: &tokenstorev1.Token{Id: "t9", Upstream: "cursor", State: tokenstorev1.TokenState_TOKEN_STATE_READY}}
	for name, c := range map[string]struct {
		requests int
		accounts []*tokenstorev1.AccountOfToken
		says     []string
	}{
		"dry":       {100, []*tokenstorev1.AccountOfToken{counted("a", 1500, 1600), counted("b", 0, 50)}, []string{"150 of 1,650 requests left", "Dry at", "at the present rate of 100 requests an hour", "begins anew at"}},
		"lasts":     {5, []*tokenstorev1.AccountOfToken{counted("a", 0, 1600)}, []string{"It lasts", "present rate of 5 "}},
		"idle":      {0, []*tokenstorev1.AccountOfToken{counted("a", 0, 1600)}, []string{"no requests in the last hour"}},
		"unlimited": {100, []*tokenstorev1.AccountOfToken{counted("a", 12, 0)}, []string{"without a limit: 1", "12 requests used, no limit"}},
		"unknown":   {5, []*tokenstorev1.AccountOfToken{counted("a", 0, 1600), silent}, []string{"Not known of: 1", "not told yet"}},
		"nothing":   {0, []*tokenstorev1.AccountOfToken{silent}, []string{"No account that serves has told"}},
	} {
		pool := quotasOf(t, c.requests, c.accounts...).byID("pool-cursor")
		for _, says := range c.says {
			if !strings.Contains(text(pool), says) {
				t.Errorf("%s: %q is not in %s", name, says, text(pool))
			}
		}
		if name != "dry" && strings.Contains(text(pool), "Dry at") {
			t.Errorf("%s: %s", name, text(pool))
		}
	}
}

// Bars show what is left, and are named.
func TestBarsOfQuotas(t *testing.T) {
	t.Parallel()
	page := quotasOf(t, 0, counted("a", 1300, 1600))
	bars := page.named("meter")
	if len(bars) != 2 {
		t.Fatalf("%d bars", len(bars))
	}
	for _, bar := range bars {
		if attribute(bar, "value") != "300" || attribute(bar, "max") != "1600" || attribute(bar, "low") != "320" || attribute(bar, "optimum") != "1600" || attribute(bar, "aria-label") == "" {
			t.Errorf("bar %v", bar.Attr)
		}
	}
}

// A family without a limit of which nothing is used is not worth a line.
func TestQuotasThatTellNothing(t *testing.T) {
	t.Parallel()
	account := counted("a", 5, 10)
	account.Account.Quotas = append(account.Account.Quotas, &tokenstorev1.TokenQuota{Name: "standard"}, &tokenstorev1.TokenQuota{Name: "other", Requests: 3})
	shown := text(quotasOf(t, 0, account).byID("pool-cursor"))
	if strings.Contains(shown, "standard") || !strings.Contains(shown, "other: 3 requests used, no limit") {
		t.Errorf("shown %s", shown)
	}
}

// Upstreams that tell nothing have no board, and a large pool not all its rows.
func TestAccountsOfTheBoard(t *testing.T) {
	t.Parallel()
	var accounts []*tokenstorev1.AccountOfToken
	for i := range 130 {
		accounts = append(accounts, counted(fmt.Sprint("t", i), 0, 10))
	}
	page := quotasOf(t, 0, accounts...)
	rows := page.all(func(n *html.Node) bool { return n.Data == "tr" && attribute(n, "data-key") != "" })
	if len(rows) != 100 || page.byID("pool-vendor") != nil {
		t.Errorf("%d rows, %v", len(rows), page.byID("pool-vendor"))
	}
	if all := text(page.byID("quotas")); !strings.Contains(all, "And 30 more") || !strings.Contains(all, "Nothing is told by: vendor.") {
		t.Errorf("said %s", all)
	}
}

// The picture of what comes has a name and a description, and its table has what it shows.
func TestPictureOfWhatComes(t *testing.T) {
	t.Parallel()
	rest := &tokenstorev1.ListTokensResponse{NextCursor: "more", Tokens: []*tokenstorev1.Token{
		{Id: "v1", Alias: "vera", Upstream: "vendor", State: tokenstorev1.TokenState_TOKEN_STATE_COOLING, CoolingUntil: timestamppb.New(time.Now().Add(2 * time.Hour))},
	}}
	page := quotasWith(t, 100, rest, counted("anna", 1500, 1600))
	figure := document{page.byID("chart-outlook")}
	picture := figure.named("svg")[0]
	if attribute(picture, "role") != "img" || attribute(picture, "aria-labelledby") != "outlook-title outlook-desc" {
		t.Errorf("the picture is named by %v", picture.Attr)
	}
	if got := text(page.byID("outlook-title")); got != "What comes next" {
		t.Errorf("it is called %q", got)
	}
	if got := text(page.byID("outlook-desc")); !strings.Contains(got, "The table has the same") {
		t.Errorf("it is described as %q", got)
	}
	var rows []string
	body := document{figure.named("tbody")[0]}
	for _, row := range body.named("tr") {
		if attribute(row, "data-x") == "" || attribute(row, "data-y") == "" {
			t.Errorf("a row without its place: %s", text(row))
		}
		cells := document{row}.named("td")
		rows = append(rows, strings.TrimSpace(text(cells[0])+", "+text(cells[1])+", "+text(cells[2])))
	}
	want := []string{"cursor, dry at the present rate, the whole pool", "vendor, cooldown ends, vera", "cursor, quota begins anew, anna"}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	signs := figure.all(func(n *html.Node) bool { return n.Data == "g" })
	if len(signs) != len(want) {
		t.Fatalf("%d signs", len(signs))
	}
	if got := text(document{signs[1]}.named("title")[0]); !strings.Contains(got, "vendor: cooldown ends, vera") {
		t.Errorf("a sign is called %q", got)
	}
	if said := text(page.byID("outlook")); !strings.Contains(said, "More tokens rest than the line has") {
		t.Errorf("said %s", said)
	}
}

// When budgets of keys begin anew is told beside what comes for tokens, in both languages and
// without a script.
func TestBudgetsOfKeysAreToldWithWhatComes(t *testing.T) {
	t.Parallel()
	standing := func(period tokenstorev1.KeyPeriod, after time.Duration) *tokenstorev1.KeyStanding {
		return &tokenstorev1.KeyStanding{Limit: &tokenstorev1.KeyLimit{Period: period}, RenewsAt: timestamppb.New(time.Now().Add(after))}
	}
	keys := &tokenstorev1.ListKeysResponse{NextCursor: "more", Keys: []*tokenstorev1.ListedKey{
		{Key: &tokenstorev1.ClientKey{Id: "k1", Name: hostile}, Standing: []*tokenstorev1.KeyStanding{
			standing(tokenstorev1.KeyPeriod_KEY_PERIOD_DAY, 5*time.Hour), standing(tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH, 200*time.Hour),
		}},
	}}
	for language, want := range map[string][]string{
		"en": {"Keys, budget of a key begins anew, " + hostile + " of each day", "Keys, budget of a key begins anew, " + hostile + " of each month", "Older keys have budgets"},
		"zh": {"密钥, 密钥预算重新计算, " + hostile + " 每日", "密钥, 密钥预算重新计算, " + hostile + " 每月", "更早的密钥"},
	} {
		s := &store{answers: []proto.Message{keys, &tokenstorev1.SummarizePoolsResponse{}}}
		page := parse(t, newSite(t, s).get(t, "/admin/usage/left", "Accept-Language", language).Body)
		figure := document{page.byID("chart-outlook")}
		for i, row := range (document{figure.named("tbody")[0]}).named("tr") {
			cells := document{row}.named("td")
			if got := strings.TrimSpace(text(cells[0]) + ", " + text(cells[1]) + ", " + text(cells[2])); got != want[i] {
				t.Errorf("%s: %q, want %q", language, got, want[i])
			}
			if link := (document{cells[2]}).named("a"); len(link) != 1 || attribute(link[0], "href") != "/admin/keys/k1" {
				t.Errorf("%s: it leads to %v", language, link)
			}
		}
		if said := text(page.byID("outlook")); !strings.Contains(said, want[2]) {
			t.Errorf("%s: said %s", language, said)
		}
	}
}

// Where nothing comes there is no picture.
func TestNothingComes(t *testing.T) {
	t.Parallel()
	silent := &tokenstorev1.AccountOfToken{Token: &tokenstorev1.Token{Id: "t9", Upstream: "cursor", State: tokenstorev1.TokenState_TOKEN_STATE_READY}}
	page := quotasOf(t, 0, silent)
	if page.byID("chart-outlook") != nil || page.byID("outlook") == nil {
		t.Errorf("drawn %v", page.byID("outlook"))
	}
}

// The accounts that have the least left are first, unless it is asked who begins anew first.
func TestTheOrderOfWhatIsLeft(t *testing.T) {
	t.Parallel()
	much, little := counted("much", 100, 1600), counted("little", 1500, 1600)
	much.Account.QuotaResetsAt = timestamppb.New(time.Now().Add(time.Hour))
	for query, c := range map[string]struct{ first, second string }{
		"":            {"little", "much"},
		"?sort=left":  {"little", "much"},
		"?sort=reset": {"much", "little"},
		"?sort=other": {"little", "much"},
	} {
		for _, path := range []string{"/admin/quotas", "/admin/usage/left"} {
			page := quotasAt(t, path+query, 0, &tokenstorev1.ListTokensResponse{}, much, little)
			if order := text(page.byID("quotas-order")); !strings.Contains(order, "Least left first") {
				t.Errorf("the orders are %s", order)
			}
			shown := text(page.byID("pool-cursor"))
			if strings.Index(shown, c.first) > strings.Index(shown, c.second) {
				t.Errorf("%s%s: %s", path, query, shown)
			}
		}
	}
}
