package keyform_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/keyform"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var now = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func limit(unit tokenstorev1.KeyUnit, period tokenstorev1.KeyPeriod, amount uint64, zone string) *tokenstorev1.KeyLimit {
	return &tokenstorev1.KeyLimit{Unit: unit, Period: period, Amount: amount, TimeZone: zone}
}

func count(n uint64) *uint64 { return &n }

// What is said in the form is stored, and shown again as it was said.
func TestLimitsThereAndBack(t *testing.T) {
	t.Parallel()
	limits := keyform.Limits{RequestsPerMinute: count(60), TokensPerMinute: count(9_000_000_000_000_000_000), Parallel: count(4)}
	budgets := []keyform.Budget{
		{Unit: "usd", Amount: "10.00", Period: "month", TimeZone: "Europe/Berlin"},
		{Unit: "usd", Amount: "0.000000000001", Period: "total"},
		{Unit: "tokens", Amount: "5000000", Period: "week"},
		{Unit: "requests", Amount: "100", Period: "day", TimeZone: "UTC"},
	}
	stored, err := keyform.ToStore(limits, budgets)
	if err != nil {
		t.Fatal(err)
	}
	requests, tokens, usd := tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, tokenstorev1.KeyUnit_KEY_UNIT_TOKENS, tokenstorev1.KeyUnit_KEY_UNIT_USD
	want := []*tokenstorev1.KeyLimit{
		limit(requests, tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, 60, ""),
		limit(tokens, tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, 9_000_000_000_000_000_000, ""),
		limit(requests, tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE, 4, ""),
		limit(usd, tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH, 10_000_000_000_000, "Europe/Berlin"),
		limit(usd, tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, 1, ""),
		limit(tokens, tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK, 5_000_000, ""),
		limit(requests, tokenstorev1.KeyPeriod_KEY_PERIOD_DAY, 100, "UTC"),
	}
	if diff := cmp.Diff(want, stored, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	shownLimits, shownBudgets := keyform.LimitsOf(stored)
	if diff := cmp.Diff(limits, shownLimits); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(budgets, shownBudgets); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	good := keyform.Budget{Unit: "usd", Amount: "1", Period: "day"}
	with := func(change func(*keyform.Budget)) []keyform.Budget {
		bad := good
		change(&bad)
		return []keyform.Budget{{Unit: "tokens", Amount: "1", Period: "day"}, bad}
	}
	for name, c := range map[string]struct {
		limits      keyform.Limits
		budgets     []keyform.Budget
		field, says string
	}{
		"no requests":    {keyform.Limits{RequestsPerMinute: count(0)}, nil, "limits.requests_per_minute", "from 1 to 9000000000000000000"},
		"too many":       {keyform.Limits{Parallel: count(9_000_000_000_000_000_001)}, nil, "limits.parallel", "from 1 to"},
		"unit":           {keyform.Limits{}, with(func(b *keyform.Budget) { b.Unit = "eur" }), "budgets[1].unit", `not "eur"`},
		"period":         {keyform.Limits{}, with(func(b *keyform.Budget) { b.Period = "minute" }), "budgets[1].period", "total, day, week or month"},
		"no amount":      {keyform.Limits{}, with(func(b *keyform.Budget) { b.Amount = "" }), "budgets[1].amount", "such as 1.50"},
		"nothing":        {keyform.Limits{}, with(func(b *keyform.Budget) { b.Amount = "0.00" }), "budgets[1].amount", "more than 0"},
		"too rich":       {keyform.Limits{}, with(func(b *keyform.Budget) { b.Amount = "9000000.01" }), "budgets[1].amount", "9000000.00"},
		"half a request": {keyform.Limits{}, with(func(b *keyform.Budget) { b.Unit, b.Amount = "requests", "1.5" }), "budgets[1].amount", "whole number"},
		"huge":           {keyform.Limits{}, with(func(b *keyform.Budget) { b.Unit, b.Amount = "requests", strings.Repeat("9", 40) }), "budgets[1].amount", "at most"},
		"zone":           {keyform.Limits{}, with(func(b *keyform.Budget) { b.TimeZone = "Mars/Olympus" }), "budgets[1].time_zone", "Europe/Berlin"},
		"local":          {keyform.Limits{}, with(func(b *keyform.Budget) { b.TimeZone = "Local" }), "budgets[1].time_zone", "IANA"},
		"zone in all":    {keyform.Limits{}, with(func(b *keyform.Budget) { b.Period, b.TimeZone = "total", "UTC" }), "budgets[1].time_zone", "in all"},
		"twice":          {keyform.Limits{}, []keyform.Budget{good, {Unit: "usd", Amount: "2", Period: "day"}}, "budgets[1]", "budgets[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := keyform.ToStore(c.limits, c.budgets)
			problem, named := errors.AsType[*keyform.FieldError](err)
			if !named || problem.Field != c.field || !strings.Contains(problem.Problem, c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTheFormOfAKey(t *testing.T) {
	t.Parallel()
	at := timestamppb.New(now.Add(-time.Hour))
	budget := limit(tokenstorev1.KeyUnit_KEY_UNIT_USD, tokenstorev1.KeyPeriod_KEY_PERIOD_DAY, 2_000_000_000_000, "")
	minute := limit(tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, 4, "")
	key := &tokenstorev1.ClientKey{
		Id: "abc", Name: "CI", Limits: []*tokenstorev1.KeyLimit{minute, budget}, MaskedSecret: "sk-…", CreatedAt: at, UpdatedAt: at,
		OldSecretUntil: at, Version: 3,
	}
	shown, err := json.Marshal(keyform.Of(key, []*tokenstorev1.KeyStanding{
		{Limit: minute, Used: 3, Reserved: 5},
		{Limit: budget, Used: 500_000_000_000, Reserved: 1, RenewsAt: timestamppb.New(now)},
	}, now))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"abc","name":"CI","tags":[],"state":"active","expires_at":null,"models":[],"networks":[],"scopes":[],` +
		`"limits":{"requests_per_minute":4},"budgets":[{"unit":"usd","amount":"2.00","period":"day"}],"masked_secret":"sk-…",` +
		`"created_at":"2026-01-31T11:00:00Z","updated_at":"2026-01-31T11:00:00Z","old_secret_until":null,"deleted_at":null,"version":3,"left":[` +
		`{"limit":"requests_per_minute","unit":"requests","period":"minute","amount":"4","used":"3","reserved":"5","left":"0","renews_at":null},` +
		`{"limit":"budget","unit":"usd","period":"day","amount":"2.00","used":"0.50","reserved":"0.000000000001","left":"1.499999999999",` +
		`"renews_at":"2026-01-31T12:00:00Z"}]}`
	if diff := cmp.Diff(want, string(shown)); diff != "" {
		t.Error(diff)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	past, future := timestamppb.New(now), timestamppb.New(now.Add(1))
	for want, listed := range map[string]*tokenstorev1.ListedKey{
		keyform.Active:   {Key: &tokenstorev1.ClientKey{ExpiresAt: future}},
		keyform.Expired:  {Key: &tokenstorev1.ClientKey{ExpiresAt: past}},
		keyform.Disabled: {Key: &tokenstorev1.ClientKey{ExpiresAt: past, Disabled: true}},
		keyform.Deleted:  {Key: &tokenstorev1.ClientKey{Disabled: true}, DeletedAt: past},
	} {
		if got := keyform.OfListed(listed, now).State; got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
