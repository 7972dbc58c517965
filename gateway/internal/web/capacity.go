package web

import (
	"context"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// pool is the health of one upstream's tokens.
type pool struct {
	*tokenstorev1.PoolState
	// Parts are the states that some token is in, as pieces of a bar that is 100
	// wide.
	Parts []part
}

type part struct {
	State string
	Count uint32
	X, W  string
}

// Able counts the tokens that can serve: those that are ready, and those that are tried out.
func (p pool) Able() uint32 {
	if p.sharedCause() != nil {
		return 0
	}
	return p.GetReady() + p.GetQuarantined() + p.GetProbing()
}

// sharedCause is what keeps all tokens from serving, whatever the model; nil where there is no
// such thing.
func (p pool) sharedCause() *tokenstorev1.SharedCause {
	for _, each := range p.GetCauses() {
		if each.GetModel() == "" {
			return each
		}
	}
	return nil
}

// Total counts the tokens.
func (p pool) Total() uint32 {
	total := uint32(0)
	for _, each := range partsOf(p.PoolState) {
		total += each.Count
	}
	return total
}

// partsOf counts the tokens by state, the good ones first.
func partsOf(state *tokenstorev1.PoolState) []part {
	return []part{
		{State: "ready", Count: state.GetReady()},
		{State: "quarantined", Count: state.GetQuarantined()},
		{State: "cooling", Count: state.GetCooling()},
		{State: "probing", Count: state.GetProbing()},
		{State: "parked", Count: state.GetParked()},
		{State: "expired", Count: state.GetExpired()},
		{State: "disabled", Count: state.GetDisabled()},
	}
}

func poolOf(state *tokenstorev1.PoolState) pool {
	p := pool{PoolState: state}
	x, total := 0.0, float64(p.Total())
	for _, each := range partsOf(state) {
		if each.Count == 0 {
			continue
		}
		width := 100 * float64(each.Count) / total
		each.X, each.W = coordinate(x), coordinate(width)
		x += width
		p.Parts = append(p.Parts, each)
	}
	return p
}

func (s *Site) pools(ctx context.Context) ([]pool, error) {
	answer, err := s.Tokens.SummarizePools(ctx, &tokenstorev1.SummarizePoolsRequest{})
	if err != nil {
		return nil, err
	}
	pools := make([]pool, 0, len(answer.GetPools()))
	for _, state := range answer.GetPools() {
		pools = append(pools, poolOf(state))
	}
	return pools, nil
}
