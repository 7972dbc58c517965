package adminapi

import (
	"bytes"
	"context"
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"carousel.internal/gateway/internal/jsonapi"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/spreadsheet"
	"carousel.internal/gateway/internal/storeerr"
	"carousel.internal/gateway/internal/usage"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Usage adds up what requests have used.
type Usage interface {
	QueryUsage(context.Context, *tokenstorev1.QueryUsageRequest, ...grpc.CallOption) (*tokenstorev1.QueryUsageResponse, error)
}

const defaultUsageSpan = 30 * 24 * time.Hour

var usageFormats = map[string]string{"json": "json", "csv": "csv"}

// usageSums are what some requests have used.
type usageSums struct {
	Requests         uint64 `json:"requests"`
	Failures         uint64 `json:"failures"`
	PromptTokens     uint64 `json:"prompt_tokens"`
	CompletionTokens uint64 `json:"completion_tokens"`
	// Of PromptTokens, those read from caches, those written to them, and of the latter
	// those that are kept for an hour.
	CacheReadTokens      uint64 `json:"cache_read_tokens"`
	CacheWriteTokens     uint64 `json:"cache_write_tokens"`
	CacheWriteHourTokens uint64 `json:"cache_write_hour_tokens"`
	// ReasoningTokens are those of CompletionTokens that were thinking.
	ReasoningTokens uint64 `json:"reasoning_tokens"`
	// CostUSD is exact, as all costs are.
	CostUSD string `json:"cost_usd"`
	// Quality tells the cost apart by how far it is to be trusted: as the counts that it is of.
	Quality           usageQuality `json:"cost_by_quality"`
	ReportedRequests  uint64       `json:"reported_requests"`
	EstimatedRequests uint64       `json:"estimated_requests"`
	PartialRequests   uint64       `json:"partial_requests"`
	// UnpricedRequests are those of whose use a price is not known. They have no cost.
	UnpricedRequests uint64 `json:"unpriced_requests"`
}

// usageQuality are US dollars.
type usageQuality struct {
	Reported  string `json:"reported"`
	Estimated string `json:"estimated"`
	Partial   string `json:"partial"`
}

func usageSumsOf(s *tokenstorev1.UsageSums) usageSums {
	reported, estimated, partial := money.Pico(s.GetReportedCost()), money.Pico(s.GetEstimatedCost()), money.Pico(s.GetPartialCost())
	return usageSums{
		Requests: s.GetRequests(), Failures: s.GetFailures(), PromptTokens: s.GetPromptTokens(), CompletionTokens: s.GetCompletionTokens(),
		CacheReadTokens: s.GetCacheReadTokens(), CacheWriteTokens: s.GetCacheWriteTokens(), CacheWriteHourTokens: s.GetCacheWriteHourTokens(),
		ReasoningTokens: s.GetReasoningTokens(),
		CostUSD:         usage.Cost(s).String(), Quality: usageQuality{reported.String(), estimated.String(), partial.String()},
		ReportedRequests: s.GetReportedRequests(), EstimatedRequests: s.GetEstimatedRequests(), PartialRequests: s.GetPartialRequests(),
		UnpricedRequests: s.GetUnpricedRequests(),
	}
}

// usageRow has of its names those that were grouped by. The name of a key, or the alias of a
// token, that is no more is empty.
type usageRow struct {
	Key        *string    `json:"key,omitempty"`
	KeyName    *string    `json:"key_name,omitempty"`
	Token      *string    `json:"token,omitempty"`
	TokenAlias *string    `json:"token_alias,omitempty"`
	Model      *string    `json:"model,omitempty"`
	Upstream   *string    `json:"upstream,omitempty"`
	Time       *time.Time `json:"time,omitempty"`
	usageSums
}

// GET /admin/api/usage
func (a *API) usage(c *gin.Context) error {
	q := queryOf(c, "group", "from", "to", "key", "token", "model", "upstream", "format")
	request, groups := usageRequest(q, time.Now())
	format := choice(q, "format", usageFormats)
	if q.err != nil {
		return q.err
	}
	ctx, cancel := a.BulkCall(c)
	defer cancel()
	answer, err := a.Usage.QueryUsage(ctx, request)
	if err != nil {
		return storeerr.Translate(err)
	}
	names, err := a.usageNames(ctx, groups, answer.GetRows())
	if err != nil {
		return storeerr.Translate(err)
	}
	rows := make([]usageRow, 0, len(answer.GetRows()))
	for _, row := range answer.GetRows() {
		rows = append(rows, usageRowOf(groups, row, names))
	}
	if format == "csv" {
		c.Header("Content-Disposition", `attachment; filename="usage.csv"`)
		body, err := usageCSV(groups, rows)
		if err != nil {
			return err
		}
		jsonapi.Write(c, http.StatusOK, "text/csv; charset=utf-8", body)
		return nil
	}
	return jsonapi.Answer(c, http.StatusOK, struct {
		// From and To are what was counted.
		From  time.Time  `json:"from"`
		To    time.Time  `json:"to"`
		Rows  []usageRow `json:"rows"`
		Total usageSums  `json:"total"`
	}{answer.GetFrom().AsTime(), answer.GetTo().AsTime(), rows, usageSumsOf(usage.Total(answer.GetRows()))})
}

// usageRequest reads the question; what is not given of the time is the last 30 days.
func usageRequest(q *query, now time.Time) (request *tokenstorev1.QueryUsageRequest, groups []string) {
	request = &tokenstorev1.QueryUsageRequest{
		KeyId: q.text("key"), TokenId: q.text("token"), Model: q.text("model"), Upstream: q.text("upstream"),
	}
	if list := q.text("group"); list != "" {
		groups = strings.Split(list, ",")
	}
	for _, group := range groups {
		dimension, known := usage.Dimensions[group]
		if !known {
			q.fail(jsonapi.Invalid("group", "some of %s wanted, with commas between, not %q", oneOf(usage.Dimensions), group))
		}
		request.Group = append(request.Group, dimension)
	}
	to := q.timeOrDate("to", now)
	from := q.timeOrDate("from", to.Add(-defaultUsageSpan))
	if !from.Before(to) {
		q.fail(jsonapi.Invalid("from", "it must be before to, which is %s", to.UTC().Format(time.RFC3339)))
	}
	request.From, request.To = timestamppb.New(from), timestamppb.New(to)
	return request, groups
}

// timeOrDate reads a time or a date, which is the beginning of that day in UTC.
func (q *query) timeOrDate(name string, absent time.Time) time.Time {
	text := q.text(name)
	if text == "" {
		return absent
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(form, text); err == nil {
			return at
		}
	}
	q.fail(jsonapi.Invalid(name, "a date such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z wanted, not %q", text))
	return absent
}

// usageNames tells the names of keys, or the aliases of tokens, by their ids.
func (a *API) usageNames(ctx context.Context, groups []string, rows []*tokenstorev1.UsageRow) (map[string]string, error) {
	switch {
	case slices.Contains(groups, "key"):
		keys, err := usage.FindKeys(ctx, a.Keys, usage.IDs(rows, (*tokenstorev1.UsageRow).GetKeyId))
		return usage.Names(keys, (*tokenstorev1.ClientKey).GetName), err
	case slices.Contains(groups, "token"):
		tokens, err := usage.FindTokens(ctx, a.Tokens, usage.IDs(rows, (*tokenstorev1.UsageRow).GetTokenId))
		return usage.Names(tokens, (*tokenstorev1.Token).GetAlias), err
	}
	return map[string]string{}, nil
}

func usageRowOf(groups []string, row *tokenstorev1.UsageRow, names map[string]string) usageRow {
	shown := usageRow{usageSums: usageSumsOf(row.GetSums())}
	for _, group := range groups {
		switch group {
		case "key":
			name := names[row.GetKeyId()]
			shown.Key, shown.KeyName = &row.KeyId, &name
		case "token":
			alias := names[row.GetTokenId()]
			shown.Token, shown.TokenAlias = &row.TokenId, &alias
		case "model":
			shown.Model = &row.Model
		case "upstream":
			shown.Upstream = &row.Upstream
		case "day", "hour":
			at := row.GetStart().AsTime()
			shown.Time = &at
		}
	}
	return shown
}

// The columns in CSV, of each group and of the sums.
var (
	usageNameColumns = map[string][]string{
		"key": {"key", "key_name"}, "token": {"token", "token_alias"}, "model": {"model"}, "upstream": {"upstream"}, "day": {"time"}, "hour": {"time"},
	}
	usageSumColumns = []string{
		"requests", "failures", "prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_hour_tokens", "reasoning_tokens",
		"cost_usd", "reported_usd", "estimated_usd", "partial_usd", "reported_requests", "estimated_requests", "partial_requests", "unpriced_requests",
	}
)

func (r usageRow) nameCells(group string) []string {
	switch group {
	case "key":
		return []string{spreadsheet.Cell(*r.Key), spreadsheet.Cell(*r.KeyName)}
	case "token":
		return []string{spreadsheet.Cell(*r.Token), spreadsheet.Cell(*r.TokenAlias)}
	case "model":
		return []string{spreadsheet.Cell(*r.Model)}
	case "upstream":
		return []string{spreadsheet.Cell(*r.Upstream)}
	default:
		return []string{r.Time.Format(time.RFC3339)}
	}
}

func (s usageSums) cells() []string {
	count := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return []string{
		count(s.Requests), count(s.Failures), count(s.PromptTokens), count(s.CompletionTokens),
		count(s.CacheReadTokens), count(s.CacheWriteTokens), count(s.CacheWriteHourTokens), count(s.ReasoningTokens),
		s.CostUSD, s.Quality.Reported, s.Quality.Estimated, s.Quality.Partial,
		count(s.ReportedRequests), count(s.EstimatedRequests), count(s.PartialRequests), count(s.UnpricedRequests),
	}
}

// usageCSV writes the rows as RFC 4180 wants it, without a total.
func usageCSV(groups []string, rows []usageRow) ([]byte, error) {
	var body bytes.Buffer
	file := csv.NewWriter(&body)
	file.UseCRLF = true
	var head []string
	for _, group := range groups {
		head = append(head, usageNameColumns[group]...)
	}
	_ = file.Write(append(head, usageSumColumns...)) // Error tells
	for _, row := range rows {
		var cells []string
		for _, group := range groups {
			cells = append(cells, row.nameCells(group)...)
		}
		_ = file.Write(append(cells, row.usageSums.cells()...)) // Error tells
	}
	file.Flush()
	return body.Bytes(), file.Error()
}
