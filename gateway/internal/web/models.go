package web

import (
	"context"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/routing"
)

var modelsPage = view{"models", "models", (*Site).loadModels}

// modelsShown bounds the rows of the page; the admin API has all.
const modelsShown = 300

type modelsData struct {
	// Query and State are the filter, as it was sent; the state is none or empty.
	Query, State string
	Rows         []modelRow
	// More counts the names that are not shown, All all that can be asked for, and Unserved
	// those of them that nothing can serve.
	More, All, Unserved int
	// Partial: the tokenstore does not count tokens that rest for some models alone.
	Partial bool
}

// Filtered tells whether a filter is set.
func (d modelsData) Filtered() bool { return d.Query+d.State != "" }

// modelRow is a name as this page shows it.
type modelRow struct{ routing.Standing }

// State is that of its mark: served, partly or none.
func (r modelRow) State() string {
	switch {
	case r.Able == 0:
		return "none"
	case r.Able < r.Accounts:
		return "partly"
	default:
		return "served"
	}
}

// Colour is that of the state.
func (r modelRow) Colour() string {
	return map[string]string{"none": "expired", "partly": "cooling", "served": "ready"}[r.State()]
}

// Why are the reasons that keep tokens out.
func (r modelRow) Why() []modelReason {
	reasons := make([]modelReason, 0, len(r.Reasons))
	for _, each := range r.Reasons {
		reasons = append(reasons, modelReason{each})
	}
	return reasons
}

// Returns is when the first of the tokens that are kept out is back; nil where that is not known.
func (r modelRow) Returns() *timestamppb.Timestamp { return stampOf(r.Back()) }

// modelReason is a reason as this page shows it.
type modelReason struct{ routing.Reason }

// Returns is when the first of its tokens is back.
func (r modelReason) Returns() *timestamppb.Timestamp { return stampOf(r.Back) }

func stampOf(at time.Time) *timestamppb.Timestamp {
	if at.IsZero() {
		return nil
	}
	return timestamppb.New(at)
}

// GET /admin/models: `q`, `state`.
func (s *Site) loadModels(ctx context.Context, c *gin.Context) (any, error) {
	data := modelsData{Query: strings.TrimSpace(c.Query("q")), State: c.Query("state")}
	if data.State != "none" {
		data.State = ""
	}
	survey, err := routing.Look(ctx, s.Tokens, s.modelIDs(), s.Prospects)
	if err != nil {
		return data, err
	}
	found := survey.Search(data.Query, data.State == "none")
	for _, each := range found[:min(len(found), modelsShown)] {
		data.Rows = append(data.Rows, modelRow{each})
	}
	data.More, data.All = max(len(found)-modelsShown, 0), len(survey.Names)
	data.Unserved, data.Partial = survey.Unserved(), !survey.ModelsTold
	return data, nil
}
