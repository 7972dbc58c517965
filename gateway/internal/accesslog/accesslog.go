// Package accesslog writes one line per request, always with the same fields.
// It does not know how requests are served, and it is never given a secret, a
// prompt or an answer.
package accesslog

import (
	"context"
	"log/slog"
	"time"
)

// Line is what there is to say of one request. Zero values are left out, except
// for status and duration.
type Line struct {
	RequestID string
	Method    string
	// Route is the pattern, not the path: a path can hold anything.
	Route    string
	Status   int
	Duration time.Duration
	// RemoteIP is the client's address, also behind proxies that are believed.
	RemoteIP string

	// BytesOut counts the answer's body.
	BytesOut int64

	// The rest is of chat requests.
	Dialect          string
	Model            string
	Stream           bool
	FirstEvent       time.Duration
	Events           int
	FinishReason     string
	PromptTokens     int
	CompletionTokens int
	// Of the prompt's tokens, those read from a cache, those written to one, and of the
	// latter those that are kept for an hour; of the completion's, those of thinking.
	CacheReadTokens      int
	CacheWriteTokens     int
	CacheWriteHourTokens int
	ReasoningTokens      int
	UsageSource          string

	// ErrorKind and Error say why the request failed.
	ErrorKind string
	Error     string
}

// Log writes lines.
type Log struct{ handler slog.Handler }

// New makes a log over a logger. Its lines go straight to the logger's handler:
// the logger would first find out which line of the program calls it, for
// nothing.
func New(logger *slog.Logger) *Log { return &Log{logger.Handler()} }

// message is the same for every line, so that a query finds them all.
const message = "request done"

// Write writes the line at the given level.
func (l *Log) Write(ctx context.Context, level slog.Level, line *Line) {
	if !l.handler.Enabled(ctx, level) {
		return
	}
	var room [24]slog.Attr
	attrs := room[:0]
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	number := func(key string, value int64) {
		if value != 0 {
			attrs = append(attrs, slog.Int64(key, value))
		}
	}
	text("request_id", line.RequestID)
	text("route", line.Route)
	text("method", line.Method)
	attrs = append(attrs, slog.Int("status", line.Status), slog.Float64("dur_ms", milliseconds(line.Duration)))
	if line.FirstEvent > 0 {
		attrs = append(attrs, slog.Float64("ttft_ms", milliseconds(line.FirstEvent)))
	}
	number("bytes_out", line.BytesOut)
	if line.Dialect != "" {
		text("dialect", line.Dialect)
		attrs = append(attrs, slog.Bool("stream", line.Stream))
	}
	text("model", line.Model)
	number("events", int64(line.Events))
	text("finish_reason", line.FinishReason)
	number("prompt_tokens", int64(line.PromptTokens))
	number("completion_tokens", int64(line.CompletionTokens))
	number("cache_read_tokens", int64(line.CacheReadTokens))
	number("cache_write_tokens", int64(line.CacheWriteTokens))
	number("cache_write_hour_tokens", int64(line.CacheWriteHourTokens))
	number("reasoning_tokens", int64(line.ReasoningTokens))
	text("usage_source", line.UsageSource)
	text("error_kind", line.ErrorKind)
	text("error", line.Error)
	text("remote_ip", line.RemoteIP)
	record := slog.NewRecord(time.Now(), level, message, 0)
	record.AddAttrs(attrs...)
	_ = l.handler.Handle(ctx, record) // there is nobody whom the failure of a log would help
}

// milliseconds keeps microseconds: most of what the gateway does takes less
// than one millisecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
