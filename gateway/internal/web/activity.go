package web

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/timestamppb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var activityPage = view{"activity", "activity", (*Site).loadActivity}

// actionsPerPage is how many rows a page of the audit log has.
const actionsPerPage = 50

// blaming are the classes of failure for which a token rests.
var blaming = []string{"auth", "quota", "rate_limit", "model_not_allowed"}

type activityData struct {
	Classes   []string
	Upstreams []string
	// Class, Upstream and From are what a link has filled in of the form.
	Class, Upstream, From string
	Actions               []action
	Next, First           string
}

// action is what an admin did.
type action struct{ *tokenstorev1.AuditEntry }

type detail struct{ Name, Value string }

// Instant is the value as a time; nil where it is none.
func (d detail) Instant() *timestamppb.Timestamp {
	at, err := time.Parse(time.RFC3339, d.Value)
	if err != nil {
		return nil
	}
	return timestamppb.New(at)
}

// TokenID is that of the token it was done to; empty where it was none, or many.
func (a action) TokenID() string { return a.GetDetails()["token_id"] }

// Facts are the other details, by name.
func (a action) Facts() []detail {
	var facts []detail
	for _, name := range slices.Sorted(maps.Keys(a.GetDetails())) {
		if name != "token_id" {
			facts = append(facts, detail{name, a.GetDetails()[name]})
		}
	}
	return facts
}

func (s *Site) loadActivity(ctx context.Context, c *gin.Context) (any, error) {
	data := activityData{
		Classes: blaming, Class: c.Query("class"), Upstream: c.Query("upstream"), From: c.Query("from"),
	}
	page, err := s.Audit.ListAudit(ctx, &tokenstorev1.ListAuditRequest{Limit: actionsPerPage, Cursor: c.Query("cursor")})
	if err != nil {
		return data, err
	}
	for _, entry := range page.GetEntries() {
		data.Actions = append(data.Actions, action{entry})
	}
	data.Next, data.First = turns(c.Request.URL, page.GetNextCursor())
	data.Upstreams, err = s.upstreamNames(ctx)
	return data, err
}
