package adminapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
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

// GET /admin/api/explain
func (a *API) explain(c *gin.Context) error {
	q := queryOf(c, "model", "dialect")
	model := q.text("model")
	if q.err == nil && model == "" {
		q.fail(jsonapi.Invalid("model", "the id of a model is missing"))
	}
	if q.err != nil {
		return q.err
	}
	upstreamName, upstreamModel, err := a.Resolve(model, q.text("dialect"))
	if err != nil {
		return err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	explained, err := a.Leases.Explain(ctx, &tokenstorev1.ExplainRequest{Upstream: upstreamName, Model: upstreamModel})
	if err != nil {
		return storeerr.Translate(err)
	}
	candidates := make([]candidate, 0, len(explained.GetCandidates()))
	for _, each := range explained.GetCandidates() {
		candidates = append(candidates, candidate{
			TokenID: each.GetTokenId(), Alias: each.GetAlias(), ExcludedBy: nullable.Text(each.GetExcludedBy()),
			Until: nullable.Time(each.GetUntil()), Score: each.GetScore(),
		})
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Model    string `json:"model"`
		Upstream string `json:"upstream"`
		// Chosen is the id of the token that a request would get now; null when
		// none can be chosen.
		Chosen     *string     `json:"chosen"`
		Candidates []candidate `json:"candidates"`
		// Cause is the class of what all tokens fail for alike, while that keeps
		// requests out; null else.
		Cause      *string    `json:"cause"`
		CauseUntil *time.Time `json:"cause_until"`
		AsOf       *time.Time `json:"as_of"`
	}{
		model, upstreamName, nullable.Text(explained.GetChosenTokenId()), candidates, nullable.Text(explained.GetCause()),
		nullable.Time(explained.GetCauseUntil()), nullable.Time(explained.GetAsOf()),
	})
}
