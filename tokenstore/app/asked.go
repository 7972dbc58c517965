package app

import (
	"context"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/metrics"
	"carousel.internal/tokenstore/internal/token"
)

// answerMetrics registers what is asked for when somebody reads the metrics.
func (t *Tokenstore) answerMetrics(counts *metrics.Metrics) {
	metrics.Built(t.registry, t.options.Version, runtime.Version())
	counts.Ask(t.registry, metrics.Asked{Classes: failureClasses(), Pools: t.pools, Queues: t.queues, Log: t.logSize})
}

// failureClasses are those of the outcomes of requests that did not succeed.
func failureClasses() []string {
	var classes []string
	for _, outcome := range slices.Sorted(maps.Keys(tokenstorev1.Outcome_name)) {
		switch of := tokenstorev1.Outcome(outcome); of {
		case tokenstorev1.Outcome_OUTCOME_UNSPECIFIED, tokenstorev1.Outcome_OUTCOME_SUCCESS, tokenstorev1.Outcome_OUTCOME_UNUSED:
		default:
			classes = append(classes, token.Class(of))
		}
	}
	return classes
}

// pools are what the pools have now; nil while the store can't be asked.
func (t *Tokenstore) pools(ctx context.Context) []metrics.Pool {
	if t.keeper.usable(ctx) != nil {
		return nil
	}
	states, err := t.store.AllPools(ctx)
	if err != nil {
		t.log.LogAttrs(ctx, slog.LevelWarn, "metrics lack the pools", slog.Any("error", err))
		return nil
	}
	pools := make([]metrics.Pool, len(states))
	for i, state := range states {
		pools[i] = poolOf(state)
	}
	return pools
}

func poolOf(state *tokenstorev1.PoolState) metrics.Pool {
	return metrics.Pool{
		Upstream: state.GetUpstream(),
		Tokens: map[string]uint32{
			"ready": state.GetReady(), "cooling": state.GetCooling(), "probing": state.GetProbing(), "quarantined": state.GetQuarantined(),
			"parked": state.GetParked(), "expired": state.GetExpired(), "disabled": state.GetDisabled(),
		},
		Expiring: state.GetExpiring(), NeedsLogin: state.GetNeedsLogin(), Leases: state.GetInFlight(), Causes: len(state.GetCauses()),
		NextExpiry: timeOf(state.GetNextExpiry()),
	}
}

// timeOf is zero for none.
func timeOf(moment *timestamppb.Timestamp) time.Time {
	if moment == nil {
		return time.Time{}
	}
	return moment.AsTime()
}

func (t *Tokenstore) queues() map[string]metrics.Queue {
	queues := map[string]metrics.Queue{}
	for upstream, queued := range t.desk.Queued() {
		queues[upstream] = metrics.Queue{Demands: queued.Demands, Oldest: queued.Oldest}
	}
	return queues
}

// logSize is what the log takes now; false while it can't be asked.
func (t *Tokenstore) logSize(ctx context.Context) (metrics.LogSize, bool) {
	if t.keeper.usable(ctx) != nil {
		return metrics.LogSize{}, false
	}
	size, err := t.store.LogSize(ctx)
	if err != nil {
		t.log.LogAttrs(ctx, slog.LevelWarn, "metrics lack the log's size", slog.Any("error", err))
		return metrics.LogSize{}, false
	}
	return metrics.LogSize{Entries: size.Entries, PromptBytes: size.PromptBytes}, true
}
