package reference

import (
	"bytes"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/logentry"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// logsBody is the body of POST /logs: filters, all of which an entry must meet.
// There may be no body at all.
type logsBody struct {
	ID     string `json:"id"`
	Model  string `json:"model"`
	Status string `json:"status"`
	Alias  string `json:"alias"`
	Stream *bool  `json:"stream"`
	// Error is a part of the error's text.
	Error string `json:"error"`
	// From and To are times in RFC 3339.
	From string `json:"from"`
	To   string `json:"to"`
	// Limit is the size of a page: 1 to 1000, 100 where it is not given.
	Limit *uint32 `json:"limit"`
	// Cursor is `next` of the page before.
	Cursor string `json:"cursor"`
}

type logsAnswer struct {
	Status string `json:"status"`
	// Total is the number of entries that are kept now.
	Total uint64 `json:"total"`
	// Logs is one page, the newest entries unless there is a cursor; within the
	// page the oldest entry is the first. Entries with long prompts may make it
	// shorter than its limit, with more to come.
	Logs      []logEntry `json:"logs"`
	Timestamp time.Time  `json:"timestamp"`
	// Next is the cursor of the page with older entries; empty where there are
	// none.
	Next string `json:"next"`
}

// logEntry is one request; what is not known is null.
type logEntry struct {
	ID        string     `json:"id"`
	Timestamp *time.Time `json:"timestamp"`
	Model     string     `json:"model"`
	TokenInfo tokenInfo  `json:"token_info"`
	Prompt    *string    `json:"prompt"`
	// PromptCut: the prompt was longer than what is kept.
	PromptCut bool `json:"prompt_cut"`
	Stream    bool `json:"stream"`
	// Status is success or failed.
	Status     string      `json:"status"`
	Error      *string     `json:"error"`
	ErrorKind  *string     `json:"error_kind"`
	HTTPStatus uint32      `json:"http_status"`
	EndReason  string      `json:"end_reason"`
	Timing     entryTiming `json:"timing"`
	Usage      entryUsage  `json:"usage"`
	Attempts   uint32      `json:"attempts"`
	Upstream   *string     `json:"upstream"`
	Replica    string      `json:"replica"`
	// Dialect is the name of the API that the client spoke, such as openai.
	Dialect *string `json:"dialect"`
}

// tokenInfo tells of the token that answered, or was tried last.
type tokenInfo struct {
	// Token and Checksum are masked; Fingerprint tells tokens apart.
	Token       *string `json:"token"`
	Checksum    *string `json:"checksum"`
	Alias       *string `json:"alias"`
	ID          *string `json:"id"`
	Fingerprint *string `json:"fingerprint"`
}

// entryTiming is in seconds, with three decimals.
type entryTiming struct {
	Total *float64 `json:"total"`
	// First is when the first byte came.
	First *float64 `json:"first"`
}

type entryUsage struct {
	PromptTokens     uint64 `json:"prompt_tokens"`
	CompletionTokens uint64 `json:"completion_tokens"`
	TotalTokens      uint64 `json:"total_tokens"`
	// Of the prompt's tokens, those read from a cache and those written to one.
	CacheReadTokens  *uint64 `json:"cache_read_tokens"`
	CacheWriteTokens *uint64 `json:"cache_write_tokens"`
	// ReasoningTokens are those of the completion that were the model's thinking.
	ReasoningTokens *uint64 `json:"reasoning_tokens"`
	// Source is reported, estimated, partial or unknown.
	Source string `json:"source"`
}

// POST /logs
func (r *Reference) queryLogs(c *gin.Context) error {
	request, err := r.logsRequest(c)
	if err != nil {
		return err
	}
	ctx, cancel := r.Call(c)
	defer cancel()
	page, err := r.Logs.Query(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	logs := make([]logEntry, 0, len(page.GetEntries()))
	for _, entry := range slices.Backward(page.GetEntries()) { // the store's are newest first
		logs = append(logs, logEntryOf(entry))
	}
	return jsonapi.Answer(c, http.StatusOK, logsAnswer{
		Status: "success", Total: page.GetTotal(), Logs: logs, Timestamp: time.Now().UTC(), Next: page.GetNextCursor(),
	})
}

const maxPage = 1000 // entries

// logStatuses are the statuses of entries, in the original's words and the
// tokenstore's. An entry is kept when its request has ended: none is pending.
var logStatuses = map[string]string{"": "", "success": "success", "failed": "failure", "failure": "failure"}

func (r *Reference) logsRequest(c *gin.Context) (*tokenstorev1.QueryRequest, error) {
	raw, err := jsonapi.Body(c, r.BodyLimit)
	if err != nil {
		return nil, err
	}
	var body logsBody
	if len(bytes.TrimSpace(raw)) > 0 {
		if err := jsonapi.Unmarshal(raw, &body); err != nil {
			return nil, err
		}
	}
	request := &tokenstorev1.QueryRequest{
		Id: body.ID, Model: body.Model, TokenAlias: body.Alias, Stream: body.Stream, Error: body.Error, Cursor: body.Cursor,
	}
	var known bool
	if request.Status, known = logStatuses[body.Status]; !known {
		return nil, jsonapi.Invalid("status", "success or failed wanted, not %q: an entry is kept when its request has ended", body.Status)
	}
	if body.Limit != nil {
		if request.Limit = *body.Limit; request.Limit < 1 || request.Limit > maxPage {
			return nil, jsonapi.Invalid("limit", "1 to %d wanted, not %d", maxPage, request.Limit)
		}
	}
	if request.From, err = readTime("from", body.From); err != nil {
		return nil, err
	}
	request.To, err = readTime("to", body.To)
	return request, err
}

// readTime answers nil for no time.
func readTime(name, text string) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, jsonapi.Invalid(name, "a time such as 2026-01-31T12:00:00Z wanted, not %q", text)
	}
	return timestamppb.New(at), nil
}

func logEntryOf(stored *tokenstorev1.LogEntry) logEntry {
	e := logentry.Of(stored)
	entry := logEntry{
		ID: e.ID, Timestamp: e.StartedAt, Model: e.Model,
		TokenInfo: tokenInfo{Token: e.Token, Checksum: nullable.Text(stored.GetMaskedChecksum()), Alias: e.TokenAlias, ID: e.TokenID, Fingerprint: e.TokenFingerprint},
		Prompt:    e.Prompt, PromptCut: e.PromptCut, Stream: e.Stream,
		Status: e.Status, Error: e.Error, ErrorKind: e.ErrorKind, HTTPStatus: e.HTTPStatus, EndReason: e.EndReason,
		Timing: entryTiming{Total: seconds(stored.GetTotal()), First: seconds(stored.GetFirstByte())},
		Usage: entryUsage{
			PromptTokens: e.PromptTokens, CompletionTokens: e.CompletionTokens, TotalTokens: e.PromptTokens + e.CompletionTokens,
			CacheReadTokens: e.CacheReadTokens, CacheWriteTokens: e.CacheWriteTokens, ReasoningTokens: e.ReasoningTokens, Source: e.UsageSource,
		},
		Attempts: e.Attempts, Upstream: e.Upstream, Replica: e.Replica, Dialect: e.Dialect,
	}
	if entry.Status == "failure" {
		entry.Status = "failed"
	}
	return entry
}

func seconds(d *durationpb.Duration) *float64 {
	if d == nil {
		return nil
	}
	rounded := math.Round(d.AsDuration().Seconds()*1000) / 1000
	return &rounded
}
