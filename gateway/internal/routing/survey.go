package routing

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"

	"carousel.internal/gateway/internal/chat"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Pools counts the tokens of every pool.
type Pools interface {
	SummarizePools(context.Context, *tokenstorev1.SummarizePoolsRequest, ...grpc.CallOption) (*tokenstorev1.SummarizePoolsResponse, error)
}

// Survey is how each of many names can be served now.
type Survey struct {
	// Names are first those that nothing can serve now, then those that have no tokens, then the
	// others, each in the order in which they were asked about.
	Names []Standing
	// ModelsTold tells that tokens which rest for some models alone, or have no room, are counted
	// as such. A tokenstore of before that can't.
	ModelsTold bool
}

// Standing is how a name can be served now. It counts tokens, and asks none: which one would be
// chosen, Explain tells.
type Standing struct {
	Name string
	// Route is the name of the route that it goes by; empty: none.
	Route string
	// Upstreams are those of its targets, in their order.
	Upstreams []string
	// Accounts are the tokens of the targets that can serve at all, Able those that can now.
	Accounts, Able int
	// Estimated: of very many tokens that rest for its models not each was looked at.
	Estimated bool
	// Reasons keep the others out, the most frequent first.
	Reasons []Reason
	// Excluded says why targets can't serve, whatever their tokens do.
	Excluded []Exclusion
}

// Exclusion is why an upstream can't serve, whatever its tokens do.
type Exclusion struct{ Upstream, Why string }

// Reason keeps tokens out.
type Reason struct {
	// Name is one of Candidate.excluded_by, or `cause`: all tokens fail alike, by Class.
	Name, Class string
	Accounts    int
	// Back is when the first of them is back; zero where that is not known.
	Back time.Time
}

// Back is when the first of the tokens that are kept out is back; zero where that is not known.
func (s Standing) Back() time.Time {
	var first time.Time
	for _, each := range s.Reasons {
		first = sooner(first, each.Back)
	}
	return first
}

func (s Standing) rank() int {
	switch {
	case s.Able > 0:
		return 2
	case s.Accounts == 0:
		return 1
	default:
		return 0
	}
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Look tells how names can be served now, by one call of the tokenstore, whatever the number of
// names and tokens. prospects answers how a name is served to clients of a dialect. Errors are
// the tokenstore's, and chat.StoreUnavailable.
func Look(ctx context.Context, store Pools, names []string, prospects func(name, dialect string) (Chain, error)) (Survey, error) {
	told, err := store.SummarizePools(ctx, &tokenstorev1.SummarizePoolsRequest{Models: true})
	if err != nil {
		return Survey{}, err
	}
	pools, now := make(map[string]*poolRests, len(told.GetPools())), time.Now()
	for _, pool := range told.GetPools() {
		pools[pool.GetUpstream()] = newPoolRests(pool, now)
	}
	survey := Survey{Names: make([]Standing, 0, len(names)), ModelsTold: told.GetModelsTold()}
	for _, name := range names {
		chain, err := prospects(name, "")
		if err != nil && chat.AsError(err).Kind != chat.ModelNotSupported {
			return Survey{}, err
		}
		survey.Names = append(survey.Names, standingOf(name, chain, pools))
	}
	slices.SortStableFunc(survey.Names, func(a, b Standing) int { return cmp.Compare(a.rank(), b.rank()) })
	return survey, nil
}

// standingOf adds up the targets of a chain. Of an upstream that several lead to, the one counts
// that most of its tokens can serve.
func standingOf(name string, chain Chain, pools map[string]*poolRests) Standing {
	standing := Standing{Name: name}
	if chain.Route != nil {
		standing.Route = chain.Route.Name
	}
	best := map[string]rests{}
	for _, target := range chain.Targets {
		if !slices.Contains(standing.Upstreams, target.Upstream) {
			standing.Upstreams = append(standing.Upstreams, target.Upstream)
		}
		if target.Why != "" {
			standing.Excluded = append(standing.Excluded, Exclusion{target.Upstream, target.Why})
			continue
		}
		of := pools[target.Upstream].of(target.Model)
		if before, known := best[target.Upstream]; !known || of.able > before.able {
			best[target.Upstream] = of
		}
	}
	for _, upstream := range standing.Upstreams {
		standing.add(best[upstream])
	}
	slices.SortStableFunc(standing.Reasons, func(a, b Reason) int { return cmp.Compare(b.Accounts, a.Accounts) })
	return standing
}

func (s *Standing) add(of rests) {
	s.Accounts += of.all
	s.Able += of.able
	s.Estimated = s.Estimated || of.estimated
	for _, reason := range of.reasons {
		at := slices.IndexFunc(s.Reasons, func(each Reason) bool { return each.Name == reason.Name && each.Class == reason.Class })
		if at < 0 {
			s.Reasons = append(s.Reasons, reason)
			continue
		}
		s.Reasons[at].Accounts += reason.Accounts
		s.Reasons[at].Back = sooner(s.Reasons[at].Back, reason.Back)
	}
}

// Search returns the names that have the text within, in any case, and, with noneOnly, only those
// that nothing can serve.
func (s Survey) Search(text string, noneOnly bool) []Standing {
	text = strings.ToLower(text)
	var found []Standing
	for _, each := range s.Names {
		if strings.Contains(strings.ToLower(each.Name), text) && (!noneOnly || each.Able == 0) {
			found = append(found, each)
		}
	}
	return found
}

// Unserved counts the names that nothing can serve.
func (s Survey) Unserved() int { return len(s.Search("", true)) }
