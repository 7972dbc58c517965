package adminapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/jsonapi"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// logEntry is one request; what is not known is null.
type logEntry struct {
	ID        string     `json:"id"`
	Replica   string     `json:"replica"`
	StartedAt *time.Time `json:"started_at"`
	// TotalMS and FirstByteMS are in milliseconds.
	TotalMS     *float64 `json:"total_ms"`
	FirstByteMS *float64 `json:"first_byte_ms"`
	Model       string   `json:"model"`
	Upstream    *string  `json:"upstream"`
	TokenID     *string  `json:"token_id"`
	TokenAlias  *string  `json:"token_alias"`
	// Token is masked.
	Token            *string `json:"token"`
	TokenFingerprint *string `json:"token_fingerprint"`
	Stream           bool    `json:"stream"`
	// Status is success or failure.
	Status     string  `json:"status"`
	HTTPStatus uint32  `json:"http_status"`
	Error      *string `json:"error"`
	ErrorKind  *string `json:"error_kind"`
	EndReason  string  `json:"end_reason"`
	Attempts   uint32  `json:"attempts"`
	// FallbackModel is the model that was asked last, where it was not Model.
	FallbackModel *string `json:"fallback_model"`

	PromptTokens     uint64 `json:"prompt_tokens"`
	CompletionTokens uint64 `json:"completion_tokens"`
	// UsageSource says how far the counts are to be trusted.
	UsageSource string `json:"usage_source"`
	// Prompt is null in a list that was not asked for prompts.
	Prompt    *string `json:"prompt"`
	PromptCut bool    `json:"prompt_cut"`
	// AttemptLog tells of each attempt; of more than 16, the first 15 and the last.
	AttemptLog []logAttempt `json:"attempt_log"`
}

// logAttempt is one request to an upstream; what is not known is null.
type logAttempt struct {
	StartedAt *time.Time `json:"started_at"`
	TotalMS   *float64   `json:"total_ms"`
	Upstream  string     `json:"upstream"`
	// Model is the id that the upstream knows.
	Model            string  `json:"model"`
	TokenID          *string `json:"token_id"`
	TokenAlias       *string `json:"token_alias"`
	Token            *string `json:"token"`
	TokenFingerprint *string `json:"token_fingerprint"`
	// Class is the failure's; null for success. Rule is what decided it.
	Class *string `json:"class"`
	Rule  *string `json:"rule"`
	// Effect is what the class may do to the token: none, token_may_cool,
	// model_may_cool.
	Effect string `json:"effect"`
	// Status, Code and Message are the upstream's own.
	Status       *uint32  `json:"status"`
	Code         *string  `json:"code"`
	Message      *string  `json:"message"`
	RetryAfterMS *float64 `json:"retry_after_ms"`
}

func logEntryOf(e *tokenstorev1.LogEntry) logEntry {
	return logEntry{
		ID: e.GetId(), Replica: e.GetReplica(), StartedAt: timeOf(e.GetStartedAt()),
		TotalMS: millisecondsOf(e.GetTotal()), FirstByteMS: millisecondsOf(e.GetFirstByte()),
		Model: e.GetModel(), Upstream: textOrNull(e.GetUpstream()), TokenID: textOrNull(e.GetTokenId()),
		TokenAlias: textOrNull(e.GetTokenAlias()), Token: textOrNull(e.GetMaskedSecret()), TokenFingerprint: textOrNull(e.GetTokenFingerprint()),
		Stream: e.GetStream(), Status: e.GetStatus(), HTTPStatus: e.GetHttpStatus(),
		Error: textOrNull(e.GetError()), ErrorKind: textOrNull(e.GetErrorKind()), EndReason: e.GetEndReason(),
		Attempts: e.GetAttempts(), FallbackModel: textOrNull(e.GetFallbackModel()), PromptTokens: e.GetPromptTokens(), CompletionTokens: e.GetCompletionTokens(),
		UsageSource: e.GetUsageSource(), Prompt: textOrNull(e.GetPrompt()), PromptCut: e.GetPromptCut(),
		AttemptLog: attemptsOf(e.GetAttemptLog()),
	}
}

func attemptsOf(log []*tokenstorev1.LogAttempt) []logAttempt {
	attempts := make([]logAttempt, len(log))
	for i, a := range log {
		attempts[i] = logAttempt{
			StartedAt: timeOf(a.GetStartedAt()), TotalMS: millisecondsOf(a.GetTotal()), Upstream: a.GetUpstream(), Model: a.GetModel(),
			TokenID: textOrNull(a.GetTokenId()), TokenAlias: textOrNull(a.GetTokenAlias()), Token: textOrNull(a.GetMaskedSecret()),
			TokenFingerprint: textOrNull(a.GetTokenFingerprint()), Class: textOrNull(a.GetClass()), Rule: textOrNull(a.GetRule()),
			Effect: a.GetEffect(), Code: textOrNull(a.GetCode()), Message: textOrNull(a.GetMessage()), RetryAfterMS: millisecondsOf(a.GetRetryAfter()),
		}
		if status := a.GetStatus(); status != 0 {
			attempts[i].Status = &status
		}
	}
	return attempts
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
	q := queryOf(c, "id", "request_id", "token_id", "upstream", "model", "status", "alias", "stream", "error", "from", "to",
		"limit", "cursor", "after", "prompts")
	prompts := q.flag("prompts")
	request := &tokenstorev1.QueryRequest{
		Id: q.text("id"), RequestId: q.text("request_id"), TokenId: q.text("token_id"), Upstream: q.text("upstream"),
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
	ctx, cancel := a.call(c)
	defer cancel()
	page, err := a.Logs.Query(ctx, request)
	if err != nil {
		return jsonapi.StoreError(err)
	}
	logs := make([]logEntry, 0, len(page.GetEntries()))
	for _, entry := range page.GetEntries() {
		logs = append(logs, logEntryOf(entry))
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Logs []logEntry `json:"logs"`
		Next string     `json:"next"`
		// Newest is for a later request's after.
		Newest string `json:"newest"`
	}{logs, page.GetNextCursor(), page.GetNewest()})
}

// GET /admin/api/logs/{id}, by the answer's id or its X-Request-Id
func (a *API) getLog(c *gin.Context) error {
	if q := queryOf(c); q.err != nil {
		return q.err
	}
	ctx, cancel := a.call(c)
	defer cancel()
	query := &tokenstorev1.QueryRequest{Limit: 1}
	jsonapi.SelectRequest(query, c.Param("id"))
	page, err := a.Logs.Query(ctx, query)
	if err != nil {
		return jsonapi.StoreError(err)
	}
	if len(page.GetEntries()) == 0 {
		return chat.Errorf(chat.NotFound, "the log has no request %q: it never had, or keeps it no longer", c.Param("id"))
	}
	return jsonapi.Answer(c, http.StatusOK, logEntryOf(page.GetEntries()[0]))
}
