package web

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/routing"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var whyPage = view{"why", "why", (*Site).loadWhy}

const (
	// tokensShown bounds the rows of a target; the admin API has all.
	tokensShown = 50
	// whyKeys is how many client keys can be chosen; the others' pages lead here.
	whyKeys = 200
)

type whyData struct {
	// Model is the name that is asked about; empty: none yet.
	Model string
	// Dialect is the API that the client speaks; empty: the first of Dialects.
	Dialect string
	// KeyID is the client key's whose requests are asked about; empty: the admin's.
	KeyID string
	// Keys can be chosen: the newest.
	Keys []*tokenstorev1.ListedKey
	// Key is nil unless one was chosen.
	Key *keyRow
	// Names can be asked about.
	Names, Dialects []string
	// Unserved: nobody serves the name.
	Unserved bool
	// Route is what the name goes by; nil: none.
	Route   *whyRoute
	Targets []prospect
	// Fallbacks are the models that are asked when no target can serve.
	Fallbacks []string
}

// whyRoute is a route as this page shows it.
type whyRoute struct{ *routing.Route }

// Parameters are what the route sets.
func (r whyRoute) Parameters() []parameter {
	parameters := make([]parameter, 0, len(r.Route.Parameters))
	for _, each := range r.Route.Parameters {
		parameters = append(parameters, parameter{string(each.Name), plain(each.Value), each.OnlyDefault})
	}
	return parameters
}

// Next is the target that would serve now; nil where none would.
func (d whyData) Next() *prospect {
	if at := slices.IndexFunc(d.Targets, prospect.Ready); at >= 0 {
		return &d.Targets[at]
	}
	return nil
}

// Sharing counts the targets that share the requests now: those of the first priority that can
// serve.
func (d whyData) Sharing() int {
	n := 0
	for _, each := range d.Targets {
		if each.Ready() && each.Priority == d.Next().Priority {
			n++
		}
	}
	return n
}

// Back is when the first token of any target can serve again, as far as that is known.
func (d whyData) Back() *timestamppb.Timestamp {
	var first *timestamppb.Timestamp
	for _, each := range d.Targets {
		first = earlier(first, each.Back())
	}
	return first
}

// prospect is a target as this page shows it.
type prospect struct{ routing.Prospect }

// Percent is its share of what its priority gets.
func (p prospect) Percent() string { return short(100*p.Share) + " %" }

// Chosen is the token that would be lent now; nil where none would.
func (p prospect) Chosen() *tokenstorev1.Candidate {
	for _, each := range p.Tokens.GetCandidates() {
		if each.GetTokenId() == p.Tokens.GetChosenTokenId() {
			return each
		}
	}
	return nil
}

// All counts the tokens.
func (p prospect) All() int { return len(p.Tokens.GetCandidates()) }

// Eligible counts the tokens that could be chosen.
func (p prospect) Eligible() int {
	n := 0
	for _, each := range p.Tokens.GetCandidates() {
		if each.GetExcludedBy() == "" {
			n++
		}
	}
	return n
}

// Back is when the first of the excluded tokens comes back by itself, or the cause ends that
// keeps all out; nil where that is not known.
func (p prospect) Back() *timestamppb.Timestamp {
	if p.Tokens.GetCause() != "" {
		return p.Tokens.GetCauseUntil()
	}
	var first *timestamppb.Timestamp
	for _, each := range p.Tokens.GetCandidates() {
		first = earlier(first, each.GetUntil())
	}
	return first
}

func earlier(a, b *timestamppb.Timestamp) *timestamppb.Timestamp {
	if a == nil || b != nil && b.AsTime().Before(a.AsTime()) {
		return b
	}
	return a
}

// reason is what excludes some of the tokens.
type reason struct {
	Name  string
	Count int
}

// Reasons count the excluded tokens by what excludes them, the most frequent first.
func (p prospect) Reasons() []reason {
	var reasons []reason
	for _, each := range p.Tokens.GetCandidates() {
		if each.GetExcludedBy() == "" {
			continue
		}
		at := slices.IndexFunc(reasons, func(r reason) bool { return r.Name == each.GetExcludedBy() })
		if at < 0 {
			at, reasons = len(reasons), append(reasons, reason{Name: each.GetExcludedBy()})
		}
		reasons[at].Count++
	}
	slices.SortStableFunc(reasons, func(a, b reason) int { return cmp.Compare(b.Count, a.Count) })
	return reasons
}

// Rows are the tokens that are shown: the one that is chosen, then those that could be, in their
// order, then the others.
func (p prospect) Rows() []whyToken {
	candidates := slices.Clone(p.Tokens.GetCandidates())
	slices.SortStableFunc(candidates, func(a, b *tokenstorev1.Candidate) int {
		return cmp.Or(cmp.Compare(p.place(a), p.place(b)), cmp.Compare(a.GetScore(), b.GetScore()))
	})
	rows := make([]whyToken, 0, min(len(candidates), tokensShown))
	for _, each := range candidates[:min(len(candidates), tokensShown)] {
		rows = append(rows, whyToken{each, each.GetTokenId() == p.Tokens.GetChosenTokenId()})
	}
	return rows
}

// More counts the tokens that are not shown.
func (p prospect) More() int { return max(p.All()-tokensShown, 0) }

func (p prospect) place(c *tokenstorev1.Candidate) int {
	switch {
	case c.GetTokenId() == p.Tokens.GetChosenTokenId():
		return 0
	case c.GetExcludedBy() == "":
		return 1
	default:
		return 2
	}
}

// whyToken is a token of a target.
type whyToken struct {
	*tokenstorev1.Candidate
	Chosen bool
}

// Name is what people call it.
func (t whyToken) Name() string { return cmp.Or(t.GetAlias(), t.GetTokenId()) }

// Colour is that of the state that excludes it.
func (t whyToken) Colour() string {
	switch reason := t.GetExcludedBy(); reason {
	case "":
		return "ready"
	case "cooling_model", "capped":
		return "cooling"
	case "probing_model":
		return "probing"
	default:
		return reason
	}
}

// Listed tells whether the key that was chosen is among those that can be.
func (d whyData) Listed() bool {
	return slices.ContainsFunc(d.Keys, func(each *tokenstorev1.ListedKey) bool { return each.GetKey().GetId() == d.KeyID })
}

// GET /admin/why: `model`, `dialect`, `key`.
func (s *Site) loadWhy(ctx context.Context, c *gin.Context) (any, error) {
	data := whyData{Model: c.Query("model"), Dialect: c.Query("dialect"), KeyID: c.Query("key"), Names: s.modelIDs(), Dialects: s.Dialects}
	if listed, err := s.Keys.ListKeys(ctx, &tokenstorev1.ListKeysRequest{Limit: whyKeys, OmitStanding: true}); err == nil {
		data.Keys = listed.GetKeys() // without them the page tells the rest
	}
	if data.Model == "" {
		return data, nil
	}
	chain, err := s.Prospects(data.Model, data.Dialect)
	if err != nil {
		data.Unserved = chat.AsError(err).Kind == chat.ModelNotSupported
		if data.Unserved {
			err = nil
		}
		return data, err
	}
	data.Fallbacks = chain.Fallbacks
	if chain.Route != nil {
		data.Route = &whyRoute{chain.Route}
	}
	if data.KeyID != "" {
		found, err := s.Keys.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: data.KeyID})
		if err != nil {
			return data, err
		}
		now := time.Now()
		data.Key = new(keyRowOf(&tokenstorev1.ListedKey{Key: found.GetKey(), Standing: found.GetStanding()}, now))
		chain = chain.ForKey(found.GetKey(), found.GetStanding(), data.Model, now)
	}
	prospects, err := routing.Explain(ctx, s.Leases, chain)
	if err != nil {
		return data, err
	}
	for _, each := range prospects {
		data.Targets = append(data.Targets, prospect{each})
	}
	return data, nil
}
