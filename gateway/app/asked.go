package app

import (
	"runtime"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/metrics"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// nearShare is from which share of a budget on a key is near to it.
const nearShare = 0.8

// budgets are all that client keys may have.
var budgets = func() []metrics.Budget {
	var all []metrics.Budget
	for _, period := range []caller.Period{caller.Day, caller.Week, caller.Month, caller.Total} {
		for _, unit := range []caller.Unit{caller.Requests, caller.Tokens, caller.USD} {
			all = append(all, metrics.Budget{Period: string(period), Unit: string(unit)})
		}
	}
	return all
}()

// answerMetrics registers what is asked for when somebody reads the metrics.
func (g *Gateway) answerMetrics() {
	metrics.Built(g.registry, g.options.Version, runtime.Version())
	metrics.Ask(g.registry, metrics.Asked{Log: g.logBacklog, NearBudgets: g.nearBudgets})
	if g.options.Config.TLSCertFile != "" { // it may know the tokenstore's authority, and have none of its own
		metrics.Certificate(g.registry, g.certificates.Expires)
	}
}

func (g *Gateway) logBacklog() metrics.Log {
	backlog := g.shipper.Backlog()
	return metrics.Log{
		Pending: float64(g.shipper.Counts().Pending), Stalled: backlog.Stalled.Seconds(), SpoolBytes: float64(backlog.SpoolBytes),
	}
}

// toldBudgets are the budgets that keys are near the end of, as the fleet service is told.
func (g *Gateway) toldBudgets() []*tokenstorev1.NearBudget {
	near := g.nearBudgets()
	var told []*tokenstorev1.NearBudget
	for _, budget := range budgets {
		if keys := near[budget]; keys > 0 {
			told = append(told, &tokenstorev1.NearBudget{Period: budget.Period, Unit: budget.Unit, Keys: uint32(keys)}) //nolint:gosec // keys are few
		}
	}
	return told
}

func (g *Gateway) nearBudgets() map[metrics.Budget]int {
	near, all := g.leases.NearLimits(nearShare), map[metrics.Budget]int{}
	for _, budget := range budgets {
		all[budget] = near[caller.Limit{Unit: caller.Unit(budget.Unit), Period: caller.Period(budget.Period)}]
	}
	return all
}
