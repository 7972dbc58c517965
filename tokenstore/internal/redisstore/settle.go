package redisstore

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"carousel.internal/tokenstore/internal/leasing"
)

var (
	settleScript    = newScript("settle")
	reconcileScript = newScript("reconcile")
)

// maxSettlements bounds the leases that one call of a script ends: it keeps Redis from
// others for some ms at most.
const maxSettlements = 200

// Settle ends leases and carries verdicts out, both in one step for each lease; it returns
// one Settled each, in order. It may be repeated. With [leasing.Deferred] it has settled the
// others.
func (s *Store) Settle(ctx context.Context, settlements []leasing.Settlement) ([]leasing.Settled, error) {
	shares, err := s.byPool(ctx, tokensIn(settlements))
	if err != nil {
		return nil, err
	}
	var parts []share
	for _, pool := range shares {
		for places := range slices.Chunk(pool.places, maxSettlements) {
			parts = append(parts, share{upstream: pool.upstream, places: places})
		}
	}
	round, calls := s.batch(), make([]*call, len(parts))
	for n, part := range parts {
		args := make([]any, 0, 5+8*len(part.places))
		args = append(args, poolChannel, causeCalm.Milliseconds(), guardWindow.Milliseconds(), causeTTL.Milliseconds(), keepTransitions)
		for _, i := range part.places {
			each := settlements[i]
			args = append(args, each.TokenID, each.LeaseID, string(each.Effect), each.Error, each.Model, verdictText(each.Verdict), each.Group, each.Age.Milliseconds())
		}
		calls[n] = round.add(settleScript, []string{clockKey(part.upstream)}, args...)
	}
	_ = round.exec(ctx) // each call has its own error
	settled, later := make([]leasing.Settled, len(settlements)), &leasing.Deferred{}
	for n, part := range parts {
		err := s.takeSettled(settled, part, calls[n])
		if err == nil {
			continue
		}
		if err := deferred(later, err, refsOf(pick(settlements, part.places))...); err != nil {
			return nil, err
		}
	}
	return settled, later.OrNil()
}

func refsOf(settlements []leasing.Settlement) []leasing.LeaseRef {
	refs := make([]leasing.LeaseRef, len(settlements))
	for i, each := range settlements {
		refs[i] = each.LeaseRef
	}
	return refs
}

// Reconcile is Settle for what a replica did with its reserve. Live is false for what had
// been counted before, or has no token any more. With [leasing.Deferred] it has counted the others.
func (s *Store) Reconcile(ctx context.Context, replica string, uses []leasing.ReservedUse) ([]leasing.Settled, error) {
	if !replicaForm.MatchString(replica) {
		return nil, invalid(errReplica)
	}
	settlements := make([]leasing.Settlement, len(uses))
	for i, use := range uses {
		settlements[i] = use.Settlement
	}
	shares, err := s.byPool(ctx, tokensIn(settlements))
	if err != nil {
		return nil, err
	}
	settled, later := make([]leasing.Settled, len(uses)), &leasing.Deferred{}
	// A part of a pool's reports begins when the one before is counted: else a number of a
	// later one would make those before it look counted.
	for len(shares) > 0 {
		round, calls, parts := s.batch(), make([]*call, len(shares)), make([]share, len(shares))
		for n, pool := range shares {
			part := share{upstream: pool.upstream, places: pool.places[:min(maxSettlements, len(pool.places))]}
			args := make([]any, 0, 5+7*len(part.places))
			args = append(args, reconciledTTL.Milliseconds(), poolChannel, guardWindow.Milliseconds(), causeTTL.Milliseconds(), keepTransitions)
			for _, i := range part.places {
				use := uses[i]
				args = append(args, use.Number, use.TokenID, use.LeaseID, string(use.Effect), use.Error, verdictText(use.Verdict), use.Group)
			}
			parts[n], calls[n] = part, round.add(reconcileScript, []string{reconciledKey(part.upstream, replica)}, args...)
		}
		_ = round.exec(ctx) // each call has its own error
		var rest []share
		for n, pool := range shares {
			err := s.takeSettled(settled, parts[n], calls[n])
			if err == nil {
				if more := pool.places[len(parts[n].places):]; len(more) > 0 {
					rest = append(rest, share{upstream: pool.upstream, places: more})
				}
				continue
			}
			if err := deferred(later, err); err != nil {
				return nil, err
			}
			for _, i := range pool.places {
				later.Uses = append(later.Uses, uses[i].Number)
			}
		}
		shares = rest
	}
	return settled, later.OrNil()
}

func tokensIn(settlements []leasing.Settlement) []string {
	ids := make([]string, len(settlements))
	for i, settlement := range settlements {
		ids[i] = settlement.TokenID
	}
	return ids
}

// takeSettled reads what settle or reconcile says of a part of the reports.
func (s *Store) takeSettled(settled []leasing.Settled, part share, done *call) error {
	values, err := done.reply.Slice()
	if err != nil {
		return s.poolError(part.upstream, "settle", err)
	}
	const width = 5
	reply := &row{values: values}
	wronged := reply.number(0) == 1
	for n, i := range part.places {
		at := 1 + width*n
		settled[i] = leasing.Settled{
			Live: reply.number(at) == 1, Upstream: part.upstream, Became: leasing.Became(reply.text(at + 1)),
			CoolFor: time.Duration(reply.number(at+2)) * time.Millisecond, Streak: int(reply.number(at + 3)), Others: int(reply.number(at + 4)),
			Wronged: wronged,
		}
	}
	return reply.err
}

// verdict is a leasing.Verdict as the scripts read it.
type verdict struct {
	Class     string  `json:"class"`
	Shareable bool    `json:"shareable,omitempty"`
	Model     string  `json:"model,omitempty"`
	CoolMS    []int64 `json:"cools,omitempty"`
	Wide      bool    `json:"wide,omitempty"`
	Request   string  `json:"request,omitempty"`
	Asked     string  `json:"asked,omitempty"`
	Detail    string  `json:"detail,omitempty"`
	Replica   string  `json:"replica,omitempty"`
}

// verdictText is empty where there is none.
func verdictText(v *leasing.Verdict) string {
	if v == nil {
		return ""
	}
	said := verdict{
		Class: v.Class, Shareable: v.Shareable, Model: v.Model, Wide: v.GroupWide, Request: v.RequestID, Asked: v.AskedModel, Detail: v.Detail, Replica: v.Replica,
	}
	for _, each := range v.CoolFor {
		said.CoolMS = append(said.CoolMS, each.Milliseconds())
	}
	text, err := json.Marshal(said)
	if err != nil { // strings and numbers always can
		panic(err)
	}
	return string(text)
}
