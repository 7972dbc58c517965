package ledger

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// busyFor is when it is worth asking again where requests under way have what is missing.
const busyFor = time.Second

// Refusal words why the charge at a place of a posting was not granted, and returns the standing
// of the limit that refuses it.
func (p Posted) Refusal(place int, most Amounts) (*rpcerr.Error, *tokenstorev1.KeyStanding) {
	verdict := p.Verdicts[place]
	standing := p.Standing[verdict.Limit]
	limit := standing.GetLimit()
	refused := &rpcerr.Error{Reason: tokenstorev1.Reason_REASON_KEY_LIMITED}
	name, need := nameOf(limit), counted(limit, most.Of(limit))
	switch verdict.Outcome {
	case Never:
		refused.Message = fmt.Sprintf("the request may use %s, and %s is all that this key's %s allows: no larger request can be served; a lower max_tokens asks for less",
			need, counted(limit, limit.GetAmount()), name)
	case Spent:
		refused.Message = fmt.Sprintf("this key's %s has no room: %s used, and the request may use %s",
			name, isAre(limit, standing.GetUsed()), need)
		if !verdict.Until.IsZero() {
			refused.RetryAfter = max(verdict.Until.Sub(p.At), time.Millisecond)
			if limit.GetPeriod() == tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE {
				refused.RetryAfter = min(refused.RetryAfter, time.Minute) // official clients heed no more
			}
		}
	default:
		aside := isAre(limit, standing.GetReserved()) + " set aside for requests under way"
		if standing.GetUsed() > 0 {
			aside = isAre(limit, standing.GetUsed()) + " used, " + aside
		}
		refused.Message = fmt.Sprintf("this key's %s has no room: %s", name, aside)
		refused.RetryAfter = busyFor
	}
	if isBudget(limit) && (verdict.Outcome == Spent || verdict.Outcome == Never) {
		refused.Reason = tokenstorev1.Reason_REASON_KEY_SPENT
		if refused.RetryAfter > 0 {
			refused.Message += "; it renews at " + verdict.Until.UTC().Format(time.RFC3339)
		}
	}
	return refused, standing
}

// isBudget tells whether a limit is of a day or longer.
func isBudget(limit *tokenstorev1.KeyLimit) bool {
	return limit.GetPeriod() != tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE && limit.GetPeriod() != tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE
}

var periodTexts = map[tokenstorev1.KeyPeriod]string{
	tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE: " at a time",
	tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE:  " a minute",
	tokenstorev1.KeyPeriod_KEY_PERIOD_DAY:     " a day",
	tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK:    " a week",
	tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH:   " a month",
	tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL:   " in all",
}

// nameOf is a limit in words, such as `limit of 60 requests a minute`.
func nameOf(limit *tokenstorev1.KeyLimit) string {
	kind := "limit"
	if isBudget(limit) {
		kind = "budget"
	}
	return kind + " of " + counted(limit, limit.GetAmount()) + periodTexts[limit.GetPeriod()]
}

// counted is an amount with what it counts.
func counted(limit *tokenstorev1.KeyLimit, amount uint64) string {
	unit := "request"
	switch limit.GetUnit() {
	case tokenstorev1.KeyUnit_KEY_UNIT_USD:
		return dollars(amount) + " US dollars"
	case tokenstorev1.KeyUnit_KEY_UNIT_TOKENS:
		unit = "token"
	default:
	}
	if amount != 1 {
		unit += "s"
	}
	return strconv.FormatUint(amount, 10) + " " + unit
}

func isAre(limit *tokenstorev1.KeyLimit, amount uint64) string {
	verb := " are"
	if amount == 1 && limit.GetUnit() != tokenstorev1.KeyUnit_KEY_UNIT_USD {
		verb = " is"
	}
	return counted(limit, amount) + verb
}

// dollars is an amount of pico-dollars in dollars, exact, with at least two decimals.
func dollars(pico uint64) string {
	const one = 1_000_000_000_000
	fraction := strings.TrimRight(fmt.Sprintf("%012d", pico%one), "0")
	return fmt.Sprintf("%d.%s", pico/one, fraction+strings.Repeat("0", max(2-len(fraction), 0)))
}
