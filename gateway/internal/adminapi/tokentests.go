package adminapi

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/gateway/internal/tokenform"
	"carousel.internal/gateway/internal/tokentest"
	"carousel.internal/gateway/internal/usage"
)

func testPlanOf(plan *tokentest.Plan) tokenform.TestPlan {
	shown := tokenform.TestPlan{Unpriced: plan.Unpriced(), Upstreams: make([]tokenform.TestPart, 0, len(plan.Parts))}
	shown.TestCost = tokenform.TestCost{Requests: plan.Requests}
	if shown.Unpriced < plan.Requests {
		shown.EstimatedUSD, shown.AtMostUSD = new(plan.About().String()), new(plan.AtMost().String())
	}
	for _, part := range plan.Parts {
		cost := tokenform.TestCost{Requests: part.Requests}
		if part.Priced {
			cost.EstimatedUSD, cost.AtMostUSD = new(part.About.String()), new(part.AtMost.String())
		}
		shown.Upstreams = append(shown.Upstreams, tokenform.TestPart{Upstream: part.Upstream, Model: nullable.Text(part.Model), TestCost: cost})
	}
	return shown
}

func testResultOf(r *tokentest.Result) tokenform.TestResult {
	shown := tokenform.TestResult{
		TokenID: r.ID, Upstream: r.Upstream, Model: nullable.Text(r.Model), Works: r.Works(), Class: nullable.Text(r.Class), Message: nullable.Text(r.Message),
		Advice: nullable.Text(tokentest.Advice(r.Class)), RequestID: nullable.Text(r.RequestID), Prompt: r.Usage.Prompt, Answer: r.Usage.Completion,
	}
	if r.RequestID != "" {
		shown.TotalMS = new(r.Took.Milliseconds())
	}
	if r.Priced() {
		shown.CostUSD, shown.CostQuality = new(r.Cost.String()), new(string(r.Quality))
	}
	return shown
}

// POST /admin/api/tokens/test
func (a *API) testTokens(c *gin.Context) error {
	var body struct {
		selection
		Model  string `json:"model"`
		DryRun bool   `json:"dry_run"`
		// Stream has each result sent as soon as it is there, a line of JSON each, without a plan.
		Stream bool `json:"stream"`
	}
	if err := a.decode(c, &body); err != nil {
		return err
	}
	tokens, err := a.tested(c, &body.selection)
	if err != nil {
		return err
	}
	plan := a.Tests.Plan(tokens, body.Model)
	answer := struct {
		tokenform.TestPlan
		// Results are null of a dry run.
		Results []tokenform.TestResult `json:"results"`
	}{TestPlan: testPlanOf(&plan)}
	if body.DryRun {
		return jsonapi.Answer(c, http.StatusOK, answer)
	}
	sender, err := a.Gate.Caller(c.Request, nil, auth.Allowed{}, time.Now())
	if err != nil {
		return err
	}
	var run testRun
	defer run.note(a, c)
	if body.Stream {
		ctx, hangUp := context.WithCancel(c.Request.Context())
		defer hangUp()
		run.stream(c, a.Tests.Each(ctx, tokens, body.Model, sender.Caller), hangUp)
		return nil
	}
	answer.Results = make([]tokenform.TestResult, 0, len(tokens))
	for _, result := range a.Tests.Run(c.Request.Context(), tokens, body.Model, sender.Caller) {
		answer.Results = append(answer.Results, run.take(&result))
	}
	return jsonapi.Answer(c, http.StatusOK, answer)
}

// testRun is one test of many tokens, which is one entry of the audit log.
type testRun struct {
	// reached counts those that had their turn, works those of them that have answered.
	reached, works int
}

// take counts a result, and returns it as the API shows it.
func (r *testRun) take(result *tokentest.Result) tokenform.TestResult {
	if result.Reached() {
		r.reached++
	}
	if result.Works() {
		r.works++
	}
	return testResultOf(result)
}

// note tells the audit log what was tested, also where somebody has hung up meanwhile.
func (r *testRun) note(a *API, c *gin.Context) {
	if r.reached > 0 {
		a.Note(c, "tokens tested", "count", r.reached, "works", r.works)
	}
}

// stream sends each result as a line of JSON. Where one can't be sent it calls hangUp, which is to end
// the tests, and counts those that had their turn by then.
func (r *testRun) stream(c *gin.Context, results iter.Seq2[int, tokentest.Result], hangUp context.CancelFunc) {
	c.Header("X-Accel-Buffering", "no")
	lines, gone := json.NewEncoder(jsonapi.Stream(c, "application/x-ndjson")), false
	for _, result := range results {
		said := r.take(&result)
		if gone {
			continue
		}
		if gone = lines.Encode(said) != nil; gone {
			hangUp()
			continue
		}
		c.Writer.Flush()
	}
}

// tested are the tokens that a selection chooses.
func (a *API) tested(c *gin.Context, chosen *selection) ([]tokentest.Token, error) {
	ctx, cancel := a.BulkCall(c)
	defer cancel()
	ids, err := a.chosen(ctx, chosen, tokentest.Most)
	if err != nil {
		return nil, err
	}
	return a.found(ctx, ids)
}

// found are the tokens with these ids. One that is not there is an error: nothing was sent then.
func (a *API) found(ctx context.Context, ids []string) ([]tokentest.Token, error) {
	found, err := usage.FindTokens(ctx, a.Tokens, ids)
	if err != nil {
		return nil, storeerr.Translate(err)
	}
	tokens := make([]tokentest.Token, 0, len(ids))
	for _, id := range ids {
		token := found[id]
		if token == nil {
			return nil, jsonapi.Invalid("ids", "there is no token %q; no request was sent", id)
		}
		tokens = append(tokens, tokentest.Token{ID: id, Upstream: token.GetUpstream()})
	}
	return tokens, nil
}
