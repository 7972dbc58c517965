package logentry

import (
	"encoding/csv"
	"io"
	"strconv"
	"time"

	"carousel.internal/gateway/internal/spreadsheet"
)

// columns are those of entries in CSV. What lists have (attempts, pools) and prompts are left out.
var columns = []string{
	"id", "started_at", "status", "http_status", "error_kind", "error", "end_reason", "attempts", "model", "served_model", "fallback_model", "upstream",
	"token_id", "token_alias", "caller", "key_id", "key_name", "dialect", "stream", "total_ms", "first_byte_ms",
	"prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "usage_source", "cost_usd", "cost_quality", "replica", "trace_id",
}

// File writes entries as RFC 4180 wants it, with a head.
type File struct{ csv *csv.Writer }

// NewFile begins a file.
func NewFile(w io.Writer) File {
	file := csv.NewWriter(w)
	file.UseCRLF = true
	_ = file.Write(columns) // Close tells
	return File{file}
}

// Add adds an entry.
func (f File) Add(e Entry) { _ = f.csv.Write(e.cells()) } // Close tells

// Close writes what is left, and tells what went wrong.
func (f File) Close() error {
	f.csv.Flush()
	return f.csv.Error()
}

// cells are the entry's, in the order of columns.
func (e Entry) cells() []string {
	return []string{
		text(&e.ID), moment(e.StartedAt), text(&e.Status), whole(e.HTTPStatus), text(e.ErrorKind), text(e.Error), text(&e.EndReason), whole(e.Attempts),
		text(&e.Model), text(e.ServedModel), text(e.FallbackModel), text(e.Upstream),
		text(e.TokenID), text(e.TokenAlias), text(e.Caller), text(e.KeyID), text(e.KeyName), text(e.Dialect), strconv.FormatBool(e.Stream),
		milliseconds(e.TotalMS), milliseconds(e.FirstByteMS), whole(e.PromptTokens), whole(e.CompletionTokens),
		maybe(e.CacheReadTokens), maybe(e.CacheWriteTokens), maybe(e.ReasoningTokens), text(&e.UsageSource), text(e.CostUSD), text(e.CostQuality), text(&e.Replica), text(e.TraceID),
	}
}

func text(value *string) string {
	if value == nil {
		return ""
	}
	return spreadsheet.Cell(*value)
}

func moment(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.Format(time.RFC3339Nano)
}

func whole[T ~uint32 | ~uint64](n T) string { return strconv.FormatUint(uint64(n), 10) }

func maybe(n *uint64) string {
	if n == nil {
		return ""
	}
	return whole(*n)
}

func milliseconds(ms *float64) string {
	if ms == nil {
		return ""
	}
	return strconv.FormatFloat(*ms, 'f', -1, 64)
}
