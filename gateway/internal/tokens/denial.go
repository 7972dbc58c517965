package tokens

import (
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// poolOf is nil where the store has counted no tokens.
func poolOf(pool *tokenstorev1.PoolSummary) *chat.Pool {
	if pool.GetTotal() == 0 {
		return nil
	}
	return &chat.Pool{
		Total: int(pool.GetTotal()), Busy: int(pool.GetCapped()), Cooling: int(pool.GetCooling()), Probing: int(pool.GetProbing()),
		Quarantined: int(pool.GetQuarantined()), Tried: int(pool.GetTried()), Parked: int(pool.GetParked()),
		Disabled: int(pool.GetDisabled()), Expired: int(pool.GetExpired()),
	}
}

// summaryOf is poolOf the other way.
func summaryOf(pool *chat.Pool) *tokenstorev1.PoolSummary {
	if pool == nil {
		return nil
	}
	count := func(n int) uint32 { return uint32(n) } //nolint:gosec // it came as one
	return &tokenstorev1.PoolSummary{
		Total: count(pool.Total), Capped: count(pool.Busy), Cooling: count(pool.Cooling), Probing: count(pool.Probing),
		Quarantined: count(pool.Quarantined), Tried: count(pool.Tried), Parked: count(pool.Parked),
		Disabled: count(pool.Disabled), Expired: count(pool.Expired),
	}
}

// errorOfDenial words the denial of a demand for the client.
func errorOfDenial(denial *tokenstorev1.Denial, demand *tokenstorev1.Demand) *chat.Error {
	kind, known := storeerr.KindOf(denial.GetReason())
	switch {
	case denial.GetReason() == tokenstorev1.Reason_REASON_TOKEN_NOT_FOUND && demand.GetTokenId() == "": // it has an alias then
		kind = chat.AliasNotFound
	case !known:
		kind = chat.Internal
	}
	return &chat.Error{Kind: kind, Message: denial.GetMessage(), RetryAfter: denial.GetRetryAfter().AsDuration(), Pool: poolOf(denial.GetPool())}
}
