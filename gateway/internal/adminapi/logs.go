package adminapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/durationpb"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// logEntry is one request; what is not known is null.
type logEntry struct {
	ID        string     `json:"id"`
	Replica   string     `json:"replica"`
	StartedAt *time.Time `json:"started_at"`
	// TotalMS and FirstByteMS are in milliseconds.
	TotalMS          *float64 `json:"total_ms"`
	FirstByteMS      *float64 `json:"first_byte_ms"`
	Model            string   `json:"model"`
	Upstream         *string  `json:"upstream"`
	TokenID          *string  `json:"token_id"`
	TokenAlias       *string  `json:"token_alias"`
	TokenFingerprint *string  `json:"token_fingerprint"`
	Stream           bool     `json:"stream"`
	// Status is success or failure.
	Status     string  `json:"status"`
	HTTPStatus uint32  `json:"http_status"`
	Error      *string `json:"error"`
	ErrorKind  *string `json:"error_kind"`
	EndReason  string  `json:"end_reason"`
	Attempts   uint32  `json:"attempts"`

	PromptTokens     uint64 `json:"prompt_tokens"`
	CompletionTokens uint64 `json:"completion_tokens"`
	// UsageSource says how far the counts are to be trusted.
	UsageSource string  `json:"usage_source"`
	Prompt      *string `json:"prompt"`
}

func logEntryOf(e *tokenstorev1.LogEntry) logEntry {
	return logEntry{
		ID: e.GetId(), Replica: e.GetReplica(), StartedAt: timeOf(e.GetStartedAt()),
		TotalMS: millisecondsOf(e.GetTotal()), FirstByteMS: millisecondsOf(e.GetFirstByte()),
		Model: e.GetModel(), Upstream: textOrNull(e.GetUpstream()), TokenID: textOrNull(e.GetTokenId()),
		TokenAlias: textOrNull(e.GetTokenAlias()), TokenFingerprint: textOrNull(e.GetTokenFingerprint()),
		Stream: e.GetStream(), Status: e.GetStatus(), HTTPStatus: e.GetHttpStatus(),
		Error: textOrNull(e.GetError()), ErrorKind: textOrNull(e.GetErrorKind()), EndReason: e.GetEndReason(),
		Attempts: e.GetAttempts(), PromptTokens: e.GetPromptTokens(), CompletionTokens: e.GetCompletionTokens(),
		UsageSource: e.GetUsageSource(), Prompt: textOrNull(e.GetPrompt()),
	}
}

func millisecondsOf(d *durationpb.Duration) *float64 {
	if d == nil {
		return nil
	}
	milliseconds := float64(d.AsDuration().Microseconds()) / 1000
	return &milliseconds
}

var logStatuses = map[string]string{"success": "success", "failure": "failure"}

// GET /admin/api/logs
func (a *API) queryLogs(c *gin.Context) error {
	q := queryOf(c, "model", "status", "alias", "stream", "error", "from", "to", "limit", "cursor")
	request := &tokenstorev1.QueryRequest{
		Model: q.text("model"), Status: choice(q, "status", logStatuses), TokenAlias: q.text("alias"),
		Stream: q.flag("stream"), Error: q.text("error"), From: q.time("from"), To: q.time("to"),
		Limit: q.limit(), Cursor: q.text("cursor"),
	}
	if q.err != nil {
		return q.err
	}
	ctx, cancel := a.call(c)
	defer cancel()
	page, err := a.Logs.Query(ctx, request)
	if err != nil {
		return storeError(err)
	}
	logs := make([]logEntry, 0, len(page.GetEntries()))
	for _, entry := range page.GetEntries() {
		logs = append(logs, logEntryOf(entry))
	}
	return answer(c, http.StatusOK, struct {
		Logs []logEntry `json:"logs"`
		Next string     `json:"next"`
	}{logs, page.GetNextCursor()})
}
