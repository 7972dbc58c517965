package routing

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"google.golang.org/grpc"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// MaxTargets is how many targets a route may have. No more are asked about.
const MaxTargets = 32

// Leases is the tokenstore's dry run of a choice.
type Leases interface {
	Explain(context.Context, *tokenstorev1.ExplainRequest, ...grpc.CallOption) (*tokenstorev1.ExplainResponse, error)
}

// Prospect is a target, and what would become of a request there now.
type Prospect struct {
	Target
	// Order is when it is tried: 1 is first. Among those of one priority the weights decide
	// anew for each request.
	Order int
	// Share is its part, from 0 to 1, of the requests that its priority gets.
	Share float64
	// Tokens are what the tokenstore says of the upstream's; empty where Why tells enough.
	Tokens *tokenstorev1.ExplainResponse
}

// Ready tells whether a token would be lent now.
func (p Prospect) Ready() bool { return p.Tokens.GetChosenTokenId() != "" }

// Explain asks what the tokens of every target would do now, at most once for each pair of an
// upstream and a model. It returns the targets in the order in which they are tried: those that
// are idle come late, and those that can't serve at all last. Errors are the tokenstore's.
func Explain(ctx context.Context, leases Leases, chain Chain) ([]Prospect, error) {
	prospects := order(chain.Targets[:min(len(chain.Targets), MaxTargets)])
	answers := map[pair]*answer{}
	var asking sync.WaitGroup
	for _, each := range prospects {
		at := pair{each.Upstream, each.Model}
		if each.Why != "" || answers[at] != nil {
			continue
		}
		asked := &answer{}
		answers[at] = asked
		asking.Go(func() {
			asked.tokens, asked.err = leases.Explain(ctx, &tokenstorev1.ExplainRequest{Upstream: at.upstream, Model: at.model})
		})
	}
	asking.Wait()
	var err error
	for i, each := range prospects {
		if asked := answers[pair{each.Upstream, each.Model}]; asked != nil && each.Why == "" {
			prospects[i].Tokens = asked.tokens
			if err == nil {
				err = asked.err
			}
		}
	}
	return prospects, err
}

type pair struct{ upstream, model string }

type answer struct {
	tokens *tokenstorev1.ExplainResponse
	err    error
}

// order sorts targets as they are tried, and tells their shares.
func order(targets []Target) []Prospect {
	prospects := make([]Prospect, len(targets))
	weights := map[int]int{}
	for i, target := range targets {
		prospects[i].Target = target
		if rank(prospects[i]) == 0 {
			weights[target.Priority] += target.Weight
		}
	}
	slices.SortStableFunc(prospects, func(a, b Prospect) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Priority, b.Priority))
	})
	for i := range prospects {
		each := &prospects[i]
		each.Order = i + 1
		if all := weights[each.Priority]; rank(*each) == 0 && all > 0 {
			each.Share = float64(each.Weight) / float64(all)
		}
	}
	return prospects
}

func rank(p Prospect) int {
	switch {
	case p.Why != "":
		return 2
	case p.Idle:
		return 1
	default:
		return 0
	}
}

var errNoTarget = errors.New("a chain has no targets")

// Next is the prospect that would serve now; where none would, the one that is tried first.
func Next(prospects []Prospect) (Prospect, error) {
	if len(prospects) == 0 {
		return Prospect{}, errNoTarget
	}
	if at := slices.IndexFunc(prospects, Prospect.Ready); at >= 0 {
		return prospects[at], nil
	}
	return prospects[0], nil
}
