package adminapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/changeset"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// activitySources are whose activity can be asked for.
var activitySources = map[string]tokenstorev1.ActivitySource{
	"both":     tokenstorev1.ActivitySource_ACTIVITY_SOURCE_UNSPECIFIED,
	"people":   tokenstorev1.ActivitySource_ACTIVITY_SOURCE_PEOPLE,
	"carousel": tokenstorev1.ActivitySource_ACTIVITY_SOURCE_CAROUSEL,
}

// activity is something that an admin did, or that happened to a token by itself. Of both, one is
// null.
type activity struct {
	Entry *auditEntry `json:"entry"`
	Event *tokenEvent `json:"event"`
}

// tokenEvent is what happened to a token.
type tokenEvent struct {
	At *time.Time `json:"at"`
	// Kind is cooling, parked or recovered; undone or released where it was taken back.
	Kind     string `json:"kind"`
	TokenID  string `json:"token_id"`
	Upstream string `json:"upstream"`
	// TokenName is null where the token is deleted.
	TokenName *string    `json:"token_name"`
	Class     *string    `json:"class"`
	Model     *string    `json:"model"`
	Until     *time.Time `json:"until"`
	RequestID *string    `json:"request_id"`
	By        *string    `json:"by"`
}

// GET /admin/api/activity
func (a *API) listActivity(c *gin.Context) error {
	q := queryOf(c, "source", "actor", "kind", "account", "from", "to", "limit", "cursor")
	request := &tokenstorev1.ListActivityRequest{
		Source: choice(q, "source", activitySources), Actor: q.text("actor"), Kind: q.text("kind"), Account: q.text("account"),
		From: q.time("from"), To: q.time("to"), Limit: q.limit(), Cursor: q.text("cursor"),
	}
	if q.err != nil {
		return q.err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	page, err := a.Audit.ListActivity(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	activities := make([]activity, 0, len(page.GetActivities()))
	for _, each := range page.GetActivities() {
		if event := each.GetEvent(); event != nil {
			activities = append(activities, activity{Event: eventOf(event)})
		} else {
			entry := entryOf(each.GetEntry())
			activities = append(activities, activity{Entry: &entry})
		}
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Activities []activity `json:"activities"`
		Next       string     `json:"next"`
	}{activities, page.GetNextCursor()})
}

func eventOf(event *tokenstorev1.TokenEvent) *tokenEvent {
	transition := event.GetTransition()
	return &tokenEvent{
		At: nullable.Time(transition.GetAt()), Kind: transition.GetKind(), TokenID: event.GetTokenId(), Upstream: event.GetUpstream(),
		TokenName: nullable.Text(event.GetTokenName()), Class: nullable.Text(transition.GetClass()), Model: nullable.Text(transition.GetModel()),
		Until: nullable.Time(transition.GetUntil()), RequestID: nullable.Text(transition.GetRequestId()), By: nullable.Text(transition.GetBy()),
	}
}

// GET /admin/api/audit/{id}: what the request with this id changed, from what to what.
func (a *API) getChange(c *gin.Context) error {
	if q := queryOf(c); q.err != nil {
		return q.err
	}
	id := c.Param("id")
	ctx, cancel := a.Call(c)
	defer cancel()
	kept, err := a.Audit.GetUndo(ctx, &tokenstorev1.GetUndoRequest{RequestId: id})
	if err != nil {
		return storeerr.Translate(err)
	}
	if len(kept.GetUndo()) == 0 {
		return notKept(id)
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		RequestID string             `json:"request_id"`
		At        *time.Time         `json:"at"`
		Changes   []changeset.Change `json:"changes"`
	}{id, nullable.Time(kept.GetAt()), nullable.List(changeset.Of(kept.GetUndo()))})
}

// notKept says why it is not known what a request changed.
func notKept(id string) error {
	return chat.Errorf(chat.NotFound, "nothing is kept that would undo the request %q: it changed nothing of that kind, what was before has more than the 288 KiB that are kept, or 1,000 later changes have taken its place", id)
}
