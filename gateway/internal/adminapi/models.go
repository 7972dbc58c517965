package adminapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/routing"
	"carousel.internal/gateway/internal/storeerr"
)

// modelStanding is how a name can be served now.
type modelStanding struct {
	Model string `json:"model"`
	// Route is the name of the route that it goes by; null: none.
	Route     *string  `json:"route"`
	Upstreams []string `json:"upstreams"`
	// Accounts are the tokens of all upstreams that serve it, Able those that can now.
	Accounts int `json:"accounts"`
	Able     int `json:"able"`
	// Estimated: so many tokens rest for it that not each was looked at.
	Estimated bool           `json:"estimated"`
	Reasons   []modelReason  `json:"reasons"`
	Excluded  []modelExclude `json:"excluded"`
	// BackAt is when the first of those that can't is back; null where that is not known.
	BackAt *time.Time `json:"back_at"`
}

// modelReason keeps tokens out.
type modelReason struct {
	// Reason is one of a candidate's excluded_by, or cause: all tokens fail alike, by Class.
	Reason   string     `json:"reason"`
	Class    *string    `json:"class"`
	Accounts int        `json:"accounts"`
	BackAt   *time.Time `json:"back_at"`
}

// modelExclude is an upstream that can't serve, whatever its tokens do.
type modelExclude struct {
	Upstream string `json:"upstream"`
	Why      string `json:"why"`
}

func modelStandingOf(s routing.Standing) modelStanding {
	shown := modelStanding{
		Model: s.Name, Route: nullable.Text(s.Route), Upstreams: nullable.List(s.Upstreams), Accounts: s.Accounts, Able: s.Able, Estimated: s.Estimated,
		Reasons: make([]modelReason, 0, len(s.Reasons)), Excluded: make([]modelExclude, 0, len(s.Excluded)), BackAt: timeOrNull(s.Back()),
	}
	for _, each := range s.Reasons {
		shown.Reasons = append(shown.Reasons, modelReason{each.Name, nullable.Text(each.Class), each.Accounts, timeOrNull(each.Back)})
	}
	for _, each := range s.Excluded {
		shown.Excluded = append(shown.Excluded, modelExclude{each.Upstream, each.Why})
	}
	return shown
}

func timeOrNull(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return new(at.UTC())
}

// GET /admin/api/models
func (a *API) models(c *gin.Context) error {
	q := queryOf(c, "q", "unserved")
	unserved := q.flag("unserved")
	if q.err != nil {
		return q.err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	var names []string
	for _, model := range a.Models() {
		names = append(names, model.ID)
	}
	survey, err := routing.Look(ctx, a.Tokens, names, a.Prospects)
	if err != nil {
		return storeerr.Translate(err)
	}
	found := survey.Search(q.text("q"), unserved != nil && *unserved)
	models := make([]modelStanding, 0, len(found))
	for _, each := range found {
		models = append(models, modelStandingOf(each))
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Models []modelStanding `json:"models"`
		// Complete is false where the tokenstore does not tell which tokens rest for a model
		// alone, or have no room: they count as able.
		Complete bool `json:"complete"`
	}{models, survey.ModelsTold})
}
