package tokens

import (
	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// The places of amounts.
const (
	ofRequests = iota
	ofTokens
	ofCost
	ofAtOnce
	units
)

// amounts are lease.Amounts to calculate with: there may be less than nothing of one.
type amounts [units]int64

// maxAmount bounds what one request counts for in each unit. That is some 9,000 US dollars; sums
// of a thousand such requests are still counted right.
const maxAmount = 1 << 53

func amountsOf(a lease.Amounts) amounts {
	bounded := func(n uint64) int64 { return int64(min(n, maxAmount)) }
	return amounts{bounded(a.Requests), bounded(a.Tokens), bounded(uint64(a.Cost)), bounded(a.AtOnce)}
}

func amountsFrom(a *tokenstorev1.KeyAmounts) amounts {
	return amounts{int64(a.GetRequests()), int64(a.GetTokens()), int64(a.GetCost()), int64(a.GetAtOnce())} //nolint:gosec // the store counts as far
}

// onWire are the amounts for a message, in which there is nothing below zero.
func (a amounts) onWire() *tokenstorev1.KeyAmounts {
	a = a.atLeast(amounts{})
	return &tokenstorev1.KeyAmounts{
		Requests: uint64(a[ofRequests]), Tokens: uint64(a[ofTokens]), Cost: uint64(a[ofCost]), AtOnce: uint64(a[ofAtOnce]), //nolint:gosec // none is below zero
	}
}

func (a amounts) plus(b amounts) amounts {
	for unit := range a {
		a[unit] += b[unit]
	}
	return a
}

func (a amounts) minus(b amounts) amounts {
	for unit := range a {
		a[unit] -= b[unit]
	}
	return a
}

func (a amounts) times(n int64) amounts {
	for unit := range a {
		a[unit] *= n
	}
	return a
}

// atLeast is the larger one of each.
func (a amounts) atLeast(b amounts) amounts {
	for unit := range a {
		a[unit] = max(a[unit], b[unit])
	}
	return a
}

// atMost is the smaller one of each.
func (a amounts) atMost(b amounts) amounts {
	for unit := range a {
		a[unit] = min(a[unit], b[unit])
	}
	return a
}

// cover tells whether there is as much of each.
func (a amounts) cover(b amounts) bool { return a.atMost(b) == b }

// of is what a limit counts.
func (a amounts) of(limit caller.Limit) int64 {
	switch {
	case limit.Period == caller.AtOnce:
		return a[ofAtOnce]
	case limit.Unit == caller.Tokens:
		return a[ofTokens]
	case limit.Unit == caller.USD:
		return a[ofCost]
	}
	return a[ofRequests]
}

// standingsFrom is what the store says of a key's limits.
func standingsFrom(told []*tokenstorev1.KeyStanding) []caller.Standing {
	standings := make([]caller.Standing, 0, len(told))
	for _, each := range told {
		standing := caller.Standing{Limit: limitFrom(each.GetLimit()), Used: each.GetUsed(), Reserved: each.GetReserved()}
		if each.GetRenewsAt() != nil {
			standing.RenewsAt = each.GetRenewsAt().AsTime()
		}
		standings = append(standings, standing)
	}
	return standings
}

var (
	limitUnits = map[tokenstorev1.KeyUnit]caller.Unit{
		tokenstorev1.KeyUnit_KEY_UNIT_REQUESTS: caller.Requests,
		tokenstorev1.KeyUnit_KEY_UNIT_TOKENS:   caller.Tokens,
		tokenstorev1.KeyUnit_KEY_UNIT_USD:      caller.USD,
	}
	limitPeriods = map[tokenstorev1.KeyPeriod]caller.Period{
		tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE: caller.AtOnce,
		tokenstorev1.KeyPeriod_KEY_PERIOD_MINUTE:  caller.Minute,
		tokenstorev1.KeyPeriod_KEY_PERIOD_DAY:     caller.Day,
		tokenstorev1.KeyPeriod_KEY_PERIOD_WEEK:    caller.Week,
		tokenstorev1.KeyPeriod_KEY_PERIOD_MONTH:   caller.Month,
		tokenstorev1.KeyPeriod_KEY_PERIOD_TOTAL:   caller.Total,
	}
)

func limitFrom(told *tokenstorev1.KeyLimit) caller.Limit {
	return caller.Limit{
		Unit: limitUnits[told.GetUnit()], Period: limitPeriods[told.GetPeriod()], Amount: told.GetAmount(), TimeZone: told.GetTimeZone(),
	}
}

// unpaid tells whether something is to be set aside before the request goes on.
func unpaid(charge *lease.Charge) bool { return charge != nil && !charge.Held }
