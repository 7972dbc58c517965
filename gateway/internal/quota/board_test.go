package quota_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/quota"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var noon = time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)

// hours is a moment so many hours after noon.
func hours(n float64) *time.Time { return new(noon.Add(time.Duration(n * float64(time.Hour)))) }

// account is that of a ready token which has used so much of so much, and begins anew after
// so many hours; 0: not known when.
func account(id string, used, limit uint64, resets float64) *tokenstorev1.AccountOfToken {
	told := &tokenstorev1.TokenAccount{
		Quotas: []*tokenstorev1.TokenQuota{{Name: "premium", Requests: used, MaxRequests: &limit}, {Name: "standard", Requests: 7}},
		AsOf:   timestamppb.New(noon),
	}
	if resets != 0 {
		told.QuotaResetsAt = timestamppb.New(*hours(resets))
	}
	return &tokenstorev1.AccountOfToken{
		Token:   &tokenstorev1.Token{Id: id, Upstream: "cursor", State: tokenstorev1.TokenState_TOKEN_STATE_READY},
		Account: told,
	}
}

func in(state tokenstorev1.TokenState, of *tokenstorev1.AccountOfToken) *tokenstorev1.AccountOfToken {
	of.Token.State = state
	return of
}

func withoutAccount(id string) *tokenstorev1.AccountOfToken {
	of := account(id, 0, 0, 0)
	of.Account = nil
	return of
}

func unlimited(id string) *tokenstorev1.AccountOfToken {
	of := account(id, 0, 0, 0)
	of.Account.Quotas = of.Account.Quotas[1:]
	return of
}

func TestPool(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		accounts           []*tokenstorev1.AccountOfToken
		rate               float64
		left, limit        uint64
		unlimited, unknown int
		dry, next          *time.Time
	}{
		"one account, used up before it begins anew": {
			accounts: []*tokenstorev1.AccountOfToken{account("a", 400, 500, 100)}, rate: 50,
			left: 100, limit: 500, dry: hours(2), next: hours(100),
		},
		"one that begins anew before it is used up": {
			accounts: []*tokenstorev1.AccountOfToken{account("a", 400, 500, 1)}, rate: 50,
			left: 100, limit: 500, next: hours(1),
		},
		"nobody asks": {
			accounts: []*tokenstorev1.AccountOfToken{account("a", 400, 500, 100)},
			left:     100, limit: 500, next: hours(100),
		},
		"used up already, and more": {
			accounts: []*tokenstorev1.AccountOfToken{account("a", 510, 500, 100)}, rate: 50,
			limit: 500, dry: hours(0), next: hours(100),
		},
		"a small one that begins anew does not help for long": {
			accounts: []*tokenstorev1.AccountOfToken{account("a", 0, 1000, 100), account("b", 0, 100, 1)}, rate: 100,
			left: 1100, limit: 1100, dry: hours(12), next: hours(1), // 100 of b, its 100 again, 1000 of a
		},
		"what an account has left when it begins anew is lost": {
			accounts: []*tokenstorev1.AccountOfToken{account("a", 0, 100, 1), account("b", 0, 100, 50)}, rate: 10,
			left: 200, limit: 200, dry: hours(21), next: hours(1), // 10 of a in an hour, then 200
		},
		"all begin anew in time": {
			accounts: []*tokenstorev1.AccountOfToken{account("a", 0, 100, 1), account("b", 0, 100, 15)}, rate: 10,
			left: 200, limit: 200, next: hours(1),
		},
		"not known when it begins anew": {
			accounts: []*tokenstorev1.AccountOfToken{account("a", 0, 100, 0)}, rate: 10,
			left: 100, limit: 100, dry: hours(10),
		},
		"some are known to begin anew": {
			accounts: []*tokenstorev1.AccountOfToken{account("a", 0, 100, 0), account("b", 0, 100, 5)}, rate: 10,
			left: 200, limit: 200, next: hours(5),
		},
		"nothing is foretold for longer than a year": {
			accounts: []*tokenstorev1.AccountOfToken{account("a", 0, 100, 0)}, rate: 0.001,
			left: 100, limit: 100,
		},
		"an account without a limit never runs dry": {
			accounts: []*tokenstorev1.AccountOfToken{account("a", 0, 100, 0), unlimited("b")}, rate: 10,
			left: 100, limit: 100, unlimited: 1,
		},
		"one of which nothing is known": {
			accounts: []*tokenstorev1.AccountOfToken{account("a", 0, 100, 0), withoutAccount("b")}, rate: 10,
			left: 100, limit: 100, unknown: 1, dry: hours(10),
		},
		"one that has begun anew since it was asked": {
			accounts: []*tokenstorev1.AccountOfToken{account("a", 90, 100, -1)}, rate: 10,
			unknown: 1,
		},
		"those that serve nobody count for nothing": {
			accounts: []*tokenstorev1.AccountOfToken{
				in(tokenstorev1.TokenState_TOKEN_STATE_DISABLED, account("a", 0, 100, 1)),
				in(tokenstorev1.TokenState_TOKEN_STATE_EXPIRED, account("b", 0, 100, 1)),
				in(tokenstorev1.TokenState_TOKEN_STATE_PARKED, withoutAccount("c")),
				in(tokenstorev1.TokenState_TOKEN_STATE_COOLING, account("d", 0, 100, 50)),
			}, rate: 10,
			left: 100, limit: 100, dry: hours(10), next: hours(50),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pools := quota.Board(c.accounts, quota.Demand{Rates: map[string]float64{"cursor": c.rate, "another": 1000}, Strategy: quota.FillFirst}, noon)
			if len(pools) != 1 || len(pools[0].Accounts) != len(c.accounts) {
				t.Fatalf("pools %+v", pools)
			}
			got := pools[0]
			got.Accounts = nil
			want := quota.Pool{
				Upstream: "cursor", Left: c.left, Limit: c.limit, Unlimited: c.unlimited, Unknown: c.unknown, RatePerHour: c.rate,
				DryAt: c.dry, NextReset: c.next,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	told := account("a", 510, 500, 3)
	told.Token.Alias, told.Account.Email, told.Account.Membership, told.Account.Error = "anna", "a@example.com", "pro", "no answer"
	told.Account.Quotas[1].Tokens, told.Account.Quotas[1].MaxTokens = 20, new(uint64(90))
	never := withoutAccount("n")
	pools := quota.Board([]*tokenstorev1.AccountOfToken{never, told}, quota.Demand{}, noon)
	want := []quota.Account{
		{
			TokenID: "a", Alias: "anna", State: tokenstorev1.TokenState_TOKEN_STATE_READY, Email: "a@example.com", Membership: "pro",
			Quotas: []quota.Quota{
				{Name: "premium", Unit: quota.Requests, Used: 510, Limit: new(uint64(500)), Left: new(uint64(0))},
				{Name: "standard", Unit: quota.Requests, Used: 7},
				{Name: "standard", Unit: quota.Tokens, Used: 20, Limit: new(uint64(90)), Left: new(uint64(70))},
			},
			ResetsAt: hours(3), AsOf: hours(0), Error: "no answer",
		},
		{TokenID: "n", State: tokenstorev1.TokenState_TOKEN_STATE_READY},
	}
	if diff := cmp.Diff(want, pools[0].Accounts); diff != "" {
		t.Error(diff)
	}
}

func TestPoolsAreInOrderOfTheirNames(t *testing.T) {
	t.Parallel()
	var accounts []*tokenstorev1.AccountOfToken
	for _, name := range []string{"c", "a", "b", "a"} {
		of := account(name, 0, 1, 0)
		of.Token.Upstream = name
		accounts = append(accounts, of)
	}
	names := ""
	for _, pool := range quota.Board(accounts, quota.Demand{}, noon) {
		names += pool.Upstream
	}
	if names != "abc" {
		t.Errorf("pools %q", names)
	}
}

func TestAccountsThatAreLow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		account *tokenstorev1.AccountOfToken
		want    bool
	}{
		"a tenth is left":        {account("a", 90, 100, 3), false},
		"less than a tenth":      {account("a", 91, 100, 3), true},
		"less than one request":  {account("a", 5, 5, 0), true},
		"more than the limit":    {account("a", 7, 5, 3), true},
		"of the period before":   {account("a", 99, 100, -1), false},
		"without a limit":        {unlimited("a"), false},
		"nothing is told":        {withoutAccount("a"), false},
		"it is disabled":         {in(tokenstorev1.TokenState_TOKEN_STATE_DISABLED, account("a", 99, 100, 3)), false},
		"it cools, and is back":  {in(tokenstorev1.TokenState_TOKEN_STATE_COOLING, account("a", 99, 100, 3)), true},
		"nothing was to be used": {account("a", 0, 0, 3), false},
	} {
		board := quota.Board([]*tokenstorev1.AccountOfToken{c.account}, quota.Demand{}, noon)
		if got := board[0].Accounts[0].Low(noon); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAccountsWithTheLeastAreFirst(t *testing.T) {
	t.Parallel()
	pools := quota.Board([]*tokenstorev1.AccountOfToken{
		account("half", 50, 100, 1), in(tokenstorev1.TokenState_TOKEN_STATE_DISABLED, account("off", 100, 100, 2)), account("tenth", 900, 1000, 3),
		unlimited("unlimited"), account("nothing to be used", 0, 0, 4), account("before", 100, 100, -1), account("a tenth, too", 90, 100, 5), withoutAccount("unknown"),
	}, quota.Demand{}, noon)
	pools[0].LeastFirst(noon)
	var got []string
	for _, each := range pools[0].Accounts {
		got = append(got, each.TokenID)
	}
	want := []string{"nothing to be used", "tenth", "a tenth, too", "half", "before", "off", "unlimited", "unknown"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
