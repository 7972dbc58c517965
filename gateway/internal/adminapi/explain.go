package adminapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/keyform"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/routing"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

type candidate struct {
	TokenID string `json:"token_id"`
	Alias   string `json:"alias"`
	// ExcludedBy is null for a token that could be chosen; else disabled, parked,
	// expired, cooling, cooling_model, probing, probing_model, quarantined or capped.
	ExcludedBy *string    `json:"excluded_by"`
	Until      *time.Time `json:"until"`
	// Score orders those that could be chosen: the lowest is next.
	Score float64 `json:"score"`
}

// choiceOf is what an upstream's tokens would do for a request now.
type choiceOf struct {
	// Chosen is the id of the token that a request would get now; null when
	// none can be chosen.
	Chosen     *string     `json:"chosen"`
	Candidates []candidate `json:"candidates"`
	// Cause is the class of what all tokens fail for alike, while that keeps
	// requests out; null else.
	Cause      *string    `json:"cause"`
	CauseUntil *time.Time `json:"cause_until"`
}

// explainedRoute is what a name goes by.
type explainedRoute struct {
	Name       string         `json:"name"`
	Match      string         `json:"match"`
	Parameters map[string]any `json:"parameters"`
}

// explainedTarget is a target, in the order in which they are tried.
type explainedTarget struct {
	Upstream string `json:"upstream"`
	Model    string `json:"model"`
	Priority int    `json:"priority"`
	Weight   int    `json:"weight"`
	// Order is 1 for the first. Share is its part, from 0 to 1, of the requests that its
	// priority gets.
	Order int     `json:"order"`
	Share float64 `json:"share"`
	// Excluded is why it can't serve, whatever its tokens do; null: it can.
	Excluded *string `json:"excluded"`
	choiceOf
}

// GET /admin/api/explain
func (a *API) explain(c *gin.Context) error {
	q := queryOf(c, "model", "dialect", "key")
	model := q.text("model")
	if q.err == nil && model == "" {
		q.fail(jsonapi.Invalid("model", "the id of a model is missing"))
	}
	if q.err != nil {
		return q.err
	}
	chain, err := a.Prospects(model, q.text("dialect"))
	if err != nil {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	var key *keyform.Key
	if id := q.text("key"); id != "" {
		found, err := a.Keys.GetKey(ctx, &tokenstorev1.GetKeyRequest{Id: id})
		if err != nil {
			return storeerr.Translate(err)
		}
		now := time.Now()
		key = new(keyform.Of(found.GetKey(), found.GetStanding(), now))
		chain = chain.ForKey(found.GetKey(), found.GetStanding(), model, now)
	}
	prospects, err := routing.Explain(ctx, a.Leases, chain)
	if err != nil {
		return storeerr.Translate(err)
	}
	next, err := routing.Next(prospects)
	if err != nil {
		return err
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Model string `json:"model"`
		// Key is the client key that was asked about; null: none.
		Key     *keyform.Key      `json:"key"`
		Route   *explainedRoute   `json:"route"`
		Targets []explainedTarget `json:"targets"`
		// Fallbacks are the models that are asked when no target can serve.
		Fallbacks []string `json:"fallbacks"`
		Upstream  string   `json:"upstream"`
		choiceOf
		AsOf *time.Time `json:"as_of"`
	}{
		model, key, explainedRouteOf(chain.Route), explainedTargets(prospects), nullable.List(chain.Fallbacks), next.Upstream, choicesOf(next.Tokens), nullable.Time(next.Tokens.GetAsOf()),
	})
}

func explainedRouteOf(route *routing.Route) *explainedRoute {
	if route == nil {
		return nil
	}
	parameters := make([]*tokenstorev1.RouteParameter, 0, len(route.Parameters))
	for _, each := range route.Parameters {
		parameters = append(parameters, &tokenstorev1.RouteParameter{Name: string(each.Name), Value: each.Value, OnlyDefault: each.OnlyDefault})
	}
	return &explainedRoute{route.Name, route.Match, writtenParameters(parameters)}
}

func explainedTargets(prospects []routing.Prospect) []explainedTarget {
	targets := make([]explainedTarget, 0, len(prospects))
	for _, each := range prospects {
		targets = append(targets, explainedTarget{
			Upstream: each.Upstream, Model: each.Model, Priority: each.Priority, Weight: each.Weight,
			Order: each.Order, Share: each.Share, Excluded: nullable.Text(each.Why), choiceOf: choicesOf(each.Tokens),
		})
	}
	return targets
}

func choicesOf(explained *tokenstorev1.ExplainResponse) choiceOf {
	candidates := make([]candidate, 0, len(explained.GetCandidates()))
	for _, each := range explained.GetCandidates() {
		candidates = append(candidates, candidate{
			TokenID: each.GetTokenId(), Alias: each.GetAlias(), ExcludedBy: nullable.Text(each.GetExcludedBy()),
			Until: nullable.Time(each.GetUntil()), Score: each.GetScore(),
		})
	}
	return choiceOf{
		Chosen: nullable.Text(explained.GetChosenTokenId()), Candidates: candidates,
		Cause: nullable.Text(explained.GetCause()), CauseUntil: nullable.Time(explained.GetCauseUntil()),
	}
}
