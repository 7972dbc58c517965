package adminapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/logentry"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var logStatuses = map[string]string{"success": "success", "failure": "failure"}

// GET /admin/api/logs
func (a *API) queryLogs(c *gin.Context) error {
	q := queryOf(c, "id", "request_id", "token_id", "key_id", "upstream", "model", "status", "alias", "stream", "error", "from", "to",
		"limit", "cursor", "after", "prompts")
	prompts := q.flag("prompts")
	request := &tokenstorev1.QueryRequest{
		Id: q.text("id"), RequestId: q.text("request_id"), TokenId: q.text("token_id"), KeyId: q.text("key_id"), Upstream: q.text("upstream"),
		Model: q.text("model"), Status: choice(q, "status", logStatuses), TokenAlias: q.text("alias"),
		Stream: q.flag("stream"), Error: q.text("error"), From: q.time("from"), To: q.time("to"),
		Limit: q.limit(), Cursor: q.text("cursor"), After: q.text("after"), OmitPrompts: prompts == nil || !*prompts,
	}
	if request.GetCursor() != "" && request.GetAfter() != "" {
		q.fail(jsonapi.Invalid("after", "not together with cursor"))
	}
	if q.err != nil {
		return q.err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	page, err := a.Logs.Query(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	logs := make([]logentry.Entry, 0, len(page.GetEntries()))
	for _, entry := range page.GetEntries() {
		logs = append(logs, logentry.Of(entry))
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Logs []logentry.Entry `json:"logs"`
		Next string           `json:"next"`
		// Newest is for a later request's after.
		Newest string `json:"newest"`
	}{logs, page.GetNextCursor(), page.GetNewest()})
}

// GET /admin/api/logs/{id}, by the answer's id or its X-Request-Id
func (a *API) getLog(c *gin.Context) error {
	if q := queryOf(c); q.err != nil {
		return q.err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	query := &tokenstorev1.QueryRequest{Limit: 1}
	jsonapi.SelectRequest(query, c.Param("id"))
	page, err := a.Logs.Query(ctx, query)
	if err != nil {
		return storeerr.Translate(err)
	}
	if len(page.GetEntries()) == 0 {
		return chat.Errorf(chat.NotFound, "the log has no request %q: it never had, or keeps it no longer", c.Param("id"))
	}
	return jsonapi.Answer(c, http.StatusOK, logentry.Of(page.GetEntries()[0]))
}
