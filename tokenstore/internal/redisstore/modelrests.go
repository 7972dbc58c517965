package redisstore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

var (
	fullTokensScript = newScript("full_tokens")
	markedPageScript = newScript("marked_page")
)

const (
	// maxUnderWay is how many open leases of a pool are looked at for tokens without room.
	maxUnderWay = 2000
	// maxMarked is how many tokens of a pool are looked at for models that they rest for. Where
	// more rest, what is counted stands for all of them.
	maxMarked = 8 * pageSize
	// maxModelRests is how many models of a pool are told.
	maxModelRests = 500
)

// SummarizeModels adds to each pool what keeps tokens from some models alone, and how many have
// no room. It looks only at tokens with requests under way, and at those that rest for a model,
// page by page, so that others are served meanwhile.
func (s *Store) SummarizeModels(ctx context.Context, pools []*tokenstorev1.PoolState) error {
	round, calls := s.batch(), make([]*call, len(pools))
	for i, pool := range pools {
		keys := []string{leasesKey(pool.GetUpstream()), poolPrefix(pool.GetUpstream()) + "rests"}
		calls[i] = round.add(fullTokensScript, keys, token.ExpiryLead.Milliseconds(), maxUnderWay)
	}
	if err := round.exec(ctx); err != nil {
		return storeError("count tokens without room", err)
	}
	for i, pool := range pools {
		values, err := calls[i].reply.Slice()
		if err != nil {
			return storeError("count tokens without room", err)
		}
		reply := &row{values: values}
		if back := reply.number(0); back > 0 {
			pool.NextBack = timestamppb.New(time.UnixMilli(back))
		}
		full := make(map[string]bool, len(values)-1)
		for at := 1; at < len(values); at++ {
			full[reply.text(at)] = true
		}
		if reply.err != nil {
			return reply.err
		}
		pool.Full = uint32(len(full)) //nolint:gosec // leases that were looked at are fewer
		if pool.Models, err = s.modelRests(ctx, pool.GetUpstream(), full); err != nil {
			return err
		}
	}
	return nil
}

// modelRests counts the tokens that rest for each model, but those that are full.
func (s *Store) modelRests(ctx context.Context, upstream string, full map[string]bool) ([]*tokenstorev1.ModelRests, error) {
	rests, looked := map[string]*tokenstorev1.ModelRests{}, int64(0)
	for offset := 0; offset < maxMarked; offset += pageSize {
		values, err := markedPageScript.run(ctx, s.client, []string{poolPrefix(upstream) + "marked"}, token.ExpiryLead.Milliseconds(), offset, pageSize).Slice()
		if err != nil {
			return nil, storeError("count what rests for models", err)
		}
		reply := &row{values: values}
		const width = 4
		for i := 1; i+width <= len(values); i += width {
			if !full[reply.text(i)] {
				addRest(rests, reply.text(i+1), time.UnixMilli(reply.number(i+2)), reply.text(i+3))
			}
		}
		if reply.err != nil {
			return nil, reply.err
		}
		n := reply.number(0)
		if looked += n; n < pageSize {
			break
		}
	}
	if looked == maxMarked {
		all, err := s.client.ZCard(ctx, poolPrefix(upstream)+"marked").Result()
		if err != nil {
			return nil, storeError("count what rests for models", err)
		}
		scale(rests, all, looked)
	}
	listed := slices.SortedFunc(maps.Values(rests), func(a, b *tokenstorev1.ModelRests) int {
		return cmp.Or(cmp.Compare(b.GetCooling()+b.GetProbing(), a.GetCooling()+a.GetProbing()), cmp.Compare(a.GetModel(), b.GetModel()))
	})
	listed = listed[:min(len(listed), maxModelRests)]
	slices.SortFunc(listed, func(a, b *tokenstorev1.ModelRests) int { return cmp.Compare(a.GetModel(), b.GetModel()) })
	return listed, nil
}

// scale makes of what some tokens rest for what all of them do, presumably.
func scale(rests map[string]*tokenstorev1.ModelRests, all, looked int64) {
	of := func(count uint32) uint32 { return uint32(int64(count) * max(all, looked) / looked) } //nolint:gosec // tokens are fewer
	for _, rest := range rests {
		rest.Cooling, rest.Probing, rest.Estimated = of(rest.GetCooling()), of(rest.GetProbing()), all > looked
	}
}

func addRest(rests map[string]*tokenstorev1.ModelRests, model string, until time.Time, why string) {
	rest := rests[model]
	if rest == nil {
		rest = &tokenstorev1.ModelRests{Model: model}
		rests[model] = rest
	}
	if why == "probing_model" { // it may end sooner
		rest.Probing++
		return
	}
	rest.Cooling++
	if back := timestamppb.New(until); rest.GetNextBack() == nil || until.Before(rest.GetNextBack().AsTime()) {
		rest.NextBack = back
	}
}
