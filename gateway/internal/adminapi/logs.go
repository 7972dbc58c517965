package adminapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/consequence"
	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/logentry"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var logStatuses = map[string]string{"success": "success", "failure": "failure"}

// logFormats are the forms in which the log is answered: nil is a page of it, the others are files.
var logFormats = map[string]*logForm{"json": nil, "csv": &logCSV, "jsonl": &logLines}

// GET /admin/api/logs
func (a *API) queryLogs(c *gin.Context) error {
	q := queryOf(c, "id", "request_id", "token_id", "key_id", "upstream", "model", "status", "alias", "stream", "error", "error_kind", "retried", "min_total",
		"from", "to", "limit", "cursor", "after", "prompts", "format")
	request := q.logs()
	format := choice(q, "format", logFormats)
	if q.err != nil {
		return q.err
	}
	if format != nil {
		return a.logFile(c, request, *format)
	}
	page, err := a.logPage(c, request)
	if err != nil {
		return err
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

// logs reads which entries are asked for.
func (q *query) logs() *tokenstorev1.QueryRequest {
	prompts, retried := q.flag("prompts"), q.flag("retried")
	request := &tokenstorev1.QueryRequest{
		Id: q.text("id"), RequestId: q.text("request_id"), TokenId: q.text("token_id"), KeyId: q.text("key_id"), Upstream: q.text("upstream"),
		Model: q.text("model"), Status: choice(q, "status", logStatuses), TokenAlias: q.text("alias"),
		Stream: q.flag("stream"), Error: q.text("error"), ErrorKind: q.text("error_kind"), Retried: retried != nil && *retried,
		From: q.time("from"), To: q.time("to"),
		Limit: q.limit(), Cursor: q.text("cursor"), After: q.text("after"), OmitPrompts: prompts == nil || !*prompts,
	}
	switch total := q.duration("min_total", 0); {
	case total < 0:
		q.fail(jsonapi.Invalid("min_total", "a length of time such as 10s wanted, not a negative one"))
	case total > 0:
		request.MinTotal = durationpb.New(total)
	}
	if request.GetCursor() != "" && request.GetAfter() != "" {
		q.fail(jsonapi.Invalid("after", "not together with cursor"))
	}
	return request
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
	entry := page.GetEntries()[0]
	return jsonapi.Answer(c, http.StatusOK, logentry.Of(entry).WithConsequences(consequence.Of(ctx, a.Tokens, entry, time.Now())))
}
