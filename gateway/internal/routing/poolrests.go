package routing

import (
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// poolRests is what keeps the tokens of a pool out.
type poolRests struct {
	// all are the tokens, usable those that could serve some model now.
	all, usable int
	// reasons keep tokens from every model.
	reasons []Reason
	models  map[string]*tokenstorev1.ModelRests
	// causes are the reasons for which no token serves a model, by its id.
	causes map[string]Reason
}

// rests is what keeps the tokens of a pool from one model.
type rests struct {
	all, able int
	estimated bool
	reasons   []Reason
}

func newPoolRests(pool *tokenstorev1.PoolState, now time.Time) *poolRests {
	result := &poolRests{
		models: make(map[string]*tokenstorev1.ModelRests, len(pool.GetModels())), causes: map[string]Reason{},
		usable: max(int(pool.GetReady()+pool.GetProbing()+pool.GetQuarantined())-int(pool.GetFull()), 0),
	}
	var back time.Time
	if at := pool.GetNextBack(); at != nil {
		back = at.AsTime()
	}
	for _, reason := range []Reason{
		{Name: "disabled", Accounts: int(pool.GetDisabled())},
		{Name: "parked", Accounts: int(pool.GetParked())},
		{Name: "expired", Accounts: int(pool.GetExpired())},
		{Name: "cooling", Accounts: int(pool.GetCooling()), Back: back},
		{Name: "capped", Accounts: int(pool.GetFull())},
	} {
		if reason.Accounts > 0 {
			result.all += reason.Accounts
			result.reasons = append(result.reasons, reason)
		}
	}
	result.all += result.usable
	for _, each := range pool.GetModels() {
		result.models[each.GetModel()] = each
	}
	for _, each := range pool.GetCauses() {
		if until := each.GetNextProbe().AsTime(); until.After(now) {
			result.causes[each.GetModel()] = Reason{Name: "cause", Class: each.GetClass(), Back: until}
		}
	}
	return result
}

// of is what keeps the tokens from a model; of no pool, nothing.
func (p *poolRests) of(model string) rests {
	if p == nil {
		return rests{}
	}
	of := rests{all: p.all, able: p.usable, reasons: p.reasons[:len(p.reasons):len(p.reasons)]}
	keepOut := func(reason Reason) {
		if reason.Accounts = min(reason.Accounts, of.able); reason.Accounts > 0 {
			of.able -= reason.Accounts
			of.reasons = append(of.reasons, reason)
		}
	}
	if each := p.models[model]; each != nil {
		of.estimated = each.GetEstimated()
		var back time.Time
		if at := each.GetNextBack(); at != nil {
			back = at.AsTime()
		}
		keepOut(Reason{Name: "cooling_model", Accounts: int(each.GetCooling()), Back: back})
		keepOut(Reason{Name: "probing_model", Accounts: int(each.GetProbing())})
	}
	if cause, shared := p.causes[model]; shared {
		cause.Accounts = of.able
		keepOut(cause)
	}
	return of
}
