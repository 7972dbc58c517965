package adminapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/nullable"
	"carousel.internal/gateway/internal/storeerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// logBucket counts the requests of one step; latencies are null without requests.
type logBucket struct {
	Start            *time.Time `json:"start"`
	Requests         uint64     `json:"requests"`
	Failures         uint64     `json:"failures"`
	PromptTokens     uint64     `json:"prompt_tokens"`
	CompletionTokens uint64     `json:"completion_tokens"`
	// Of PromptTokens, those read from caches, those written to them, and of the latter
	// those that are kept for an hour.
	CacheReadTokens      uint64 `json:"cache_read_tokens"`
	CacheWriteTokens     uint64 `json:"cache_write_tokens"`
	CacheWriteHourTokens uint64 `json:"cache_write_hour_tokens"`
	// ReasoningTokens are those of CompletionTokens that were thinking.
	ReasoningTokens uint64 `json:"reasoning_tokens"`
	// The latencies are in milliseconds, of the whole answer and of its first byte.
	TotalP50MS     *float64 `json:"total_p50_ms"`
	TotalP95MS     *float64 `json:"total_p95_ms"`
	FirstByteP50MS *float64 `json:"first_byte_p50_ms"`
	FirstByteP95MS *float64 `json:"first_byte_p95_ms"`
}

func logBucketOf(b *tokenstorev1.LogBucket) logBucket {
	return logBucket{
		Start: nullable.Time(b.GetStart()), Requests: b.GetRequests(), Failures: b.GetFailures(),
		PromptTokens: b.GetPromptTokens(), CompletionTokens: b.GetCompletionTokens(),
		CacheReadTokens: b.GetCacheReadTokens(), CacheWriteTokens: b.GetCacheWriteTokens(), CacheWriteHourTokens: b.GetCacheWriteHourTokens(),
		ReasoningTokens: b.GetReasoningTokens(),
		TotalP50MS:      nullable.Milliseconds(b.GetTotalP50()), TotalP95MS: nullable.Milliseconds(b.GetTotalP95()),
		FirstByteP50MS: nullable.Milliseconds(b.GetFirstByteP50()), FirstByteP95MS: nullable.Milliseconds(b.GetFirstByteP95()),
	}
}

const (
	defaultStatsStep = time.Minute
	defaultStatsSpan = time.Hour
	maxStatsSteps    = 1500
)

// GET /admin/api/stats
func (a *API) stats(c *gin.Context) error {
	q := queryOf(c, "from", "to", "step")
	request := statsRequest(q, time.Now())
	if q.err != nil {
		return q.err
	}
	ctx, cancel := a.Call(c)
	defer cancel()
	summary, err := a.Logs.Summarize(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	buckets := make([]logBucket, 0, len(summary.GetBuckets()))
	for _, bucket := range summary.GetBuckets() {
		buckets = append(buckets, logBucketOf(bucket))
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		Buckets []logBucket `json:"buckets"`
	}{buckets})
}

// statsRequest reads the span of time; what is not given is the last hour, its
// present minute included.
func statsRequest(q *query, now time.Time) *tokenstorev1.SummarizeRequest {
	step := q.duration("step", defaultStatsStep)
	if step < time.Minute || step%time.Minute != 0 {
		q.fail(jsonapi.Invalid("step", "whole minutes wanted, such as 5m or 1h, not %q", q.text("step")))
		step = defaultStatsStep
	}
	to := now.Truncate(step).Add(step)
	if at := q.time("to"); at != nil {
		to = at.AsTime()
	}
	from := to.Add(-max(defaultStatsSpan, step))
	if at := q.time("from"); at != nil {
		from = at.AsTime()
	}
	switch {
	case !from.Before(to):
		q.fail(jsonapi.Invalid("from", "it must be before to, which is %s", to.UTC().Format(time.RFC3339)))
	case to.Sub(from)/step > maxStatsSteps:
		q.fail(jsonapi.Invalid("step", "at most %d steps fit in an answer; a longer one, or a shorter time, is wanted", maxStatsSteps))
	}
	return &tokenstorev1.SummarizeRequest{From: timestamppb.New(from), To: timestamppb.New(to), Step: durationpb.New(step)}
}
