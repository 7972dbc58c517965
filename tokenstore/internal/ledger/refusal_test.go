package ledger_test

import (
	"testing"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/ledger"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	const dollar = 1_000_000_000_000
	now := time.Date(2026, 11, 28, 23, 59, 30, 0, time.UTC)
	limit := func(unit tokenstorev1.KeyUnit, period tokenstorev1.KeyPeriod, amount uint64) *tokenstorev1.KeyLimit {
		return &tokenstorev1.KeyLimit{Unit: unit, Period: period, Amount: amount}
	}
	minute := limit(tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, 60)
	atOnce := limit(tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE, 1)
	tokens := limit(tokenstorev1.KeyUnit_KEY_UNIT_TOKENS, tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE, 1000)
	daily := limit(tokenstorev1.KeyUnit_KEY_UNIT_USD, tokenstorev1.KeyPeriod_KEY_PERIOD_DAY, 5*dollar)
	all := limit(tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS, tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL, 100)
	most := ledger.Amounts{Requests: 1, Tokens: 1500, Cost: dollar / 20, AtOnce: 1}
	for name, test := range map[string]struct {
		standing *tokenstorev1.KeyStanding
		verdict  ledger.Verdict
		reason   tokenstorev1.Reason
		after    time.Duration
		message  string
	}{
		"a minute is full": {
			&tokenstorev1.KeyStanding{Limit: minute, Used: 60},
			ledger.Verdict{Outcome: ledger.Spent, Until: now.Add(12 * time.Second)},
			tokenstorev1.Reason_REASON_KEY_LIMITED, 12 * time.Second,
			"this key's limit of 60 requests a minute has no room: 60 requests are used, and the request may use 1 request",
		},
		"a minute that has just begun": {
			&tokenstorev1.KeyStanding{Limit: minute, Used: 60},
			ledger.Verdict{Outcome: ledger.Spent, Until: now.Add(61 * time.Second)},
			tokenstorev1.Reason_REASON_KEY_LIMITED, 60 * time.Second,
			"this key's limit of 60 requests a minute has no room: 60 requests are used, and the request may use 1 request",
		},
		"too many at a time": {
			&tokenstorev1.KeyStanding{Limit: atOnce, Reserved: 1},
			ledger.Verdict{Outcome: ledger.Held},
			tokenstorev1.Reason_REASON_KEY_LIMITED, time.Second,
			"this key's limit of 1 request at a time has no room: 1 request is set aside for requests under way",
		},
		"larger than the limit": {
			&tokenstorev1.KeyStanding{Limit: tokens},
			ledger.Verdict{Outcome: ledger.Never},
			tokenstorev1.Reason_REASON_KEY_LIMITED, 0,
			"the request may use 1500 tokens, and 1000 tokens is all that this key's limit of 1000 tokens a minute allows: no larger request can be served; a lower max_tokens asks for less",
		},
		"a budget of a day": {
			&tokenstorev1.KeyStanding{Limit: daily, Used: 5*dollar - 1},
			ledger.Verdict{Outcome: ledger.Spent, Until: now.Add(30 * time.Second)},
			tokenstorev1.Reason_REASON_KEY_SPENT, 30 * time.Second,
			"this key's budget of 5.00 US dollars a day has no room: 4.999999999999 US dollars are used, and the request may use 0.05 US dollars; it renews at 2026-11-29T00:00:00Z",
		},
		"a budget that others have set aside": {
			&tokenstorev1.KeyStanding{Limit: daily, Used: dollar, Reserved: 4 * dollar},
			ledger.Verdict{Outcome: ledger.Waits},
			tokenstorev1.Reason_REASON_KEY_LIMITED, time.Second,
			"this key's budget of 5.00 US dollars a day has no room: 1.00 US dollars are used, 4.00 US dollars are set aside for requests under way",
		},
		"a budget in all": {
			&tokenstorev1.KeyStanding{Limit: all, Used: 100},
			ledger.Verdict{Outcome: ledger.Spent},
			tokenstorev1.Reason_REASON_KEY_SPENT, 0,
			"this key's budget of 100 requests in all has no room: 100 requests are used, and the request may use 1 request",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			posted := ledger.Posted{At: now, Standing: []*tokenstorev1.KeyStanding{{}, test.standing}}
			test.verdict.Limit = 1
			posted.Verdicts = []ledger.Verdict{test.verdict}
			refused, standing := posted.Refusal(0, most)
			if want := (rpcerr.Error{Reason: test.reason, Message: test.message, RetryAfter: test.after}); *refused != want {
				t.Errorf("got  %+v\nwant %+v", *refused, want)
			}
			if standing != test.standing {
				t.Errorf("of %v", standing)
			}
		})
	}
}
