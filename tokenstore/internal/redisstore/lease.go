package redisstore

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"carousel.internal/tokenstore/internal/leasing"
	"carousel.internal/tokenstore/internal/token"
)

var (
	acquireScript     = newScript("acquire")
	explainScript     = newScript("explain")
	explainPageScript = newScript("explain_page")
	renewScript       = newScript("renew")
)

// Acquire leases up to wanted.Count tokens, the one that is due first. Without
// an eligible token it answers no lease and the shortage: of the upstream's tokens,
// or of the one that was asked for by its alias or id, with a total of 0 when there is none.
func (s *Store) Acquire(ctx context.Context, wanted leasing.Wanted) ([]leasing.Taken, leasing.Shortage, error) {
	reply, err := s.runAcquire(ctx, wanted)
	if err != nil {
		return nil, leasing.Shortage{}, err
	}
	if reply.text(0) == "granted" {
		taken := takenFrom(reply)
		for _, lease := range taken {
			s.homes.put(lease.TokenID, wanted.Upstream)
		}
		return taken, leasing.Shortage{}, reply.err
	}
	if wanted.Brief {
		return nil, leasing.Shortage{Lent: reply.number(2) == 1}, reply.err
	}
	shortage := shortageFrom(reply)
	if shortage.Total == 0 && reply.err == nil {
		return nil, shortage, s.stillThere(ctx)
	}
	return nil, shortage, reply.err
}

// leaseDemand is what the scripts of leases are asked, by name.
type leaseDemand struct {
	Upstream string `json:"upstream"`
	Model    string `json:"model"`
	Count    int    `json:"count"`
	// TTL and all that follow it are in ms.
	TTL int64 `json:"ttl_ms"`
	// SlotTTL is TTL for leases of tokens with a cap.
	SlotTTL int64 `json:"slot_ttl_ms"`
	// Mode is commit or ahead: before requests need it. What is taken ahead does not come after a
	// token with a cap that could serve.
	Mode string `json:"mode"`
	// Uncapped: of tokens without a cap only.
	Uncapped bool `json:"uncapped"`
	// CountShort wants a denial to say what is short.
	CountShort bool     `json:"count_short"`
	Alias      string   `json:"alias"`
	TokenID    string   `json:"token_id"`
	Exclude    []string `json:"exclude"`
	// Lead is how long before its expiry a token is not picked any more.
	Lead int64 `json:"lead_ms"`
	// Patience is after how long a new token's request that goes on lets others in.
	Patience int64 `json:"patience_ms"`
	// Longest is how long a token cools at most.
	Longest     int64  `json:"longest_ms"`
	Strategy    string `json:"strategy"`
	AffinityKey string `json:"affinity_key"`
	// Skip is how many tokens of the order are known not to be eligible.
	Skip int64 `json:"skip"`
}

// longestRest bounds how long a token cools, whatever the clock was when that began:
// rotation.MaxCooling.
const longestRest = 30 * time.Minute

func (s *Store) demand(wanted leasing.Wanted, skip int64) (string, error) {
	mode := "commit"
	if wanted.Ahead {
		mode = "ahead"
	}
	text, err := json.Marshal(leaseDemand{
		Upstream: wanted.Upstream, Model: wanted.Model, Count: wanted.Count, TTL: wanted.TTL.Milliseconds(),
		SlotTTL: cmp.Or(wanted.SlotTTL, wanted.TTL).Milliseconds(), Mode: mode, Uncapped: wanted.Uncapped,
		CountShort: !wanted.Brief, Alias: wanted.Alias, TokenID: wanted.TokenID, Exclude: append([]string{}, wanted.Exclude...),
		Lead: token.ExpiryLead.Milliseconds(), Patience: s.patience.Milliseconds(), Longest: longestRest.Milliseconds(),
		Strategy: s.order(), AffinityKey: wanted.Affinity, Skip: skip,
	})
	return string(text), err
}

// runAcquire runs the script until it has looked at enough of the pool: at a time only at
// so many tokens that others hardly wait.
func (s *Store) runAcquire(ctx context.Context, wanted leasing.Wanted) (*row, error) {
	keys := []string{orderKey(wanted.Upstream), clockKey(wanted.Upstream), coolingKey(wanted.Upstream)}
	for skip := int64(0); ; {
		demand, err := s.demand(wanted, skip)
		if err != nil {
			return nil, err
		}
		values, err := acquireScript.run(ctx, s.client, keys, demand).Slice()
		if err != nil {
			return nil, s.poolError(wanted.Upstream, "acquire", err)
		}
		reply := &row{values: values}
		if reply.text(0) != "again" {
			return reply, reply.err
		}
		if skip = reply.number(1); reply.err != nil {
			return nil, reply.err
		}
	}
}

func takenFrom(reply *row) []leasing.Taken {
	const width = 5
	leases := make([]leasing.Taken, 0, (len(reply.values)-2)/width)
	for i := 2; i+width <= len(reply.values); i += width {
		leases = append(leases, leasing.Taken{
			LeaseRef: leasing.LeaseRef{TokenID: reply.text(i), LeaseID: reply.text(i + 1)},
			Version:  reply.count(i + 2),
			Capped:   reply.number(i+3) == 1,
			Slot:     reply.number(i+4) == 1,
		})
	}
	return leases
}

func shortageFrom(reply *row) leasing.Shortage {
	count := func(i int) int { return int(reply.number(i)) }
	shortage := leasing.Shortage{
		Total: count(2), Disabled: count(3), Expired: count(4), Cooling: count(5), Capped: count(6), Tried: count(7),
		Parked: count(8), Probing: count(9), Quarantined: count(10),
	}
	until := func(i int) time.Duration {
		if end := reply.number(i); end > 0 {
			return max(time.Duration(end-reply.number(1))*time.Millisecond, time.Millisecond)
		}
		return 0
	}
	shortage.Soonest, shortage.SoonestTried = until(11), until(12)
	shortage.Reserved, shortage.Cause, shortage.Renewing = count(13), reply.text(14), count(15)
	shortage.Lent = reply.number(16) == 1
	return shortage
}

// Candidate is a token as the acquire script sees it.
type Candidate struct {
	TokenID string
	Alias   string
	// ExcludedBy is empty when eligible, else disabled, parked, expired, cooling,
	// cooling_model, probing, probing_model, quarantined or capped.
	ExcludedBy string
	// Until is zero when unknown.
	Until time.Time
	// Score is the virtual time at which it is due; 0 when it is not in the order.
	Score float64
}

// Explained is what an acquire would do.
type Explained struct {
	// Chosen is empty where it would deny.
	Chosen     string
	Candidates []Candidate
	// Cause is the class of what all tokens fail for alike, where that keeps
	// requests out until CauseUntil; empty else.
	Cause      string
	CauseUntil time.Time
	// AsOf is Redis's time.
	AsOf time.Time
}

// Explain returns which token would be picked now, and what the script sees of each. It
// reads page by page, so that others are served meanwhile.
func (s *Store) Explain(ctx context.Context, upstream, model string) (Explained, error) {
	demand, err := s.demand(leasing.Wanted{Upstream: upstream, Model: model, Count: 1}, 0)
	if err != nil {
		return Explained{}, err
	}
	values, err := explainScript.run(ctx, s.client, []string{clockKey(upstream)}, demand).Slice()
	if err != nil {
		return Explained{}, storeError("explain", err)
	}
	reply := &row{values: values}
	explained := Explained{AsOf: time.UnixMilli(reply.number(0)), Chosen: reply.text(1), Cause: reply.text(2)}
	if until := reply.number(3); until > 0 {
		explained.CauseUntil = time.UnixMilli(until)
	}
	keys := []string{orderKey(upstream), coolingKey(upstream), clockKey(upstream), poolIDsKey(upstream)}
	for after := "-1"; after != "" && reply.err == nil; {
		values, err := explainPageScript.run(ctx, s.client, keys, demand, after, pageSize).Slice()
		if err != nil {
			return Explained{}, storeError("explain", err)
		}
		reply = &row{values: values}
		after = reply.text(0)
		explained.Candidates = append(explained.Candidates, candidatesFrom(reply)...)
	}
	return explained, reply.err
}

// candidatesFrom reads a page of what explain says.
func candidatesFrom(reply *row) []Candidate {
	const width = 5
	candidates := make([]Candidate, 0, len(reply.values)/width)
	for i := 1; i+width <= len(reply.values); i += width {
		candidate := Candidate{TokenID: reply.text(i), Alias: reply.text(i + 1), ExcludedBy: reply.text(i + 2)}
		if until := reply.number(i + 3); until > 0 {
			candidate.Until = time.UnixMilli(until)
		}
		candidate.Score, _ = strconv.ParseFloat(reply.text(i+4), 64) // empty: not in the order
		candidates = append(candidates, candidate)
	}
	return candidates
}

// Renew prolongs leases; answers those that are lost. With [leasing.Deferred] it has prolonged the
// others.
func (s *Store) Renew(ctx context.Context, leases []leasing.LeaseRef, ttl time.Duration) ([]leasing.LeaseRef, error) {
	if len(leases) == 0 {
		return nil, nil
	}
	ids := make([]string, len(leases))
	for i, lease := range leases {
		ids[i] = lease.TokenID
	}
	pools, err := s.byPool(ctx, ids)
	if err != nil {
		return nil, err
	}
	round, calls := s.batch(), make([]*call, len(pools))
	for n, pool := range pools {
		args := make([]any, 0, 3+2*len(pool.places))
		args = append(args, tokenKeyPrefix(pool.upstream), inflightKeyPrefix(pool.upstream), ttl.Milliseconds())
		for _, i := range pool.places {
			args = append(args, leases[i].TokenID, leases[i].LeaseID)
		}
		calls[n] = round.add(renewScript, []string{clockKey(pool.upstream)}, args...)
	}
	_ = round.exec(ctx) // each call has its own error
	held, later := make([]bool, len(leases)), &leasing.Deferred{}
	for n, pool := range pools {
		values, err := calls[n].reply.Slice()
		if err != nil {
			if err := deferred(later, s.poolError(pool.upstream, "renew", err), pick(leases, pool.places)...); err != nil {
				return nil, err
			}
			for _, i := range pool.places {
				held[i] = true
			}
			continue
		}
		reply := &row{values: values}
		for at, i := range pool.places {
			held[i] = reply.number(at) == 1
		}
		if reply.err != nil {
			return nil, reply.err
		}
	}
	var lost []leasing.LeaseRef
	for i, lease := range leases {
		if !held[i] {
			lost = append(lost, lease)
		}
	}
	if len(lost) > 0 {
		if err := s.stillThere(ctx); err != nil {
			return lost, err
		}
	}
	return lost, later.OrNil()
}

// pick are the elements of a list at some places.
func pick[T any](list []T, places []int) []T {
	picked := make([]T, len(places))
	for n, i := range places {
		picked[n] = list[i]
	}
	return picked
}
