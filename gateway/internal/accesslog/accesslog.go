// Package accesslog writes one line per request, always with the same fields.
// It does not know how requests are served, and it is never given a secret, a
// prompt or an answer.
package accesslog

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
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
	RemoteIP netip.Addr

	// Caller is what kind of caller has sent it; KeyID and KeyName are of a client key, also of one
	// that may not be used.
	Caller         string
	KeyID, KeyName string

	// BytesOut counts the answer's body.
	BytesOut int64

	// TraceID is the trace that has the request's spans; empty where it is not traced.
	TraceID string

	// The rest is of chat requests.
	Served           Served
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

// fields takes the fields of a line one by one, each once.
type fields interface {
	text(key, value string)
	number(key string, value int64)
	milliseconds(key string, d time.Duration)
	truth(key string, value bool)
	address(key string, value netip.Addr)
}

// tell tells all that there is to say, in the order in which lines have it.
func (l *Line) tell(to fields) {
	text := func(key, value string) {
		if value != "" {
			to.text(key, value)
		}
	}
	number := func(key string, value int) {
		if value != 0 {
			to.number(key, int64(value))
		}
	}
	text("request_id", l.RequestID)
	text("trace_id", l.TraceID)
	text("route", l.Route)
	text("method", l.Method)
	to.number("status", int64(l.Status))
	to.milliseconds("dur_ms", l.Duration)
	if l.FirstEvent > 0 {
		to.milliseconds("ttft_ms", l.FirstEvent)
	}
	if l.BytesOut != 0 {
		to.number("bytes_out", l.BytesOut)
	}
	if l.Dialect != "" {
		to.text("dialect", l.Dialect)
		to.truth("stream", l.Stream)
	}
	text("model", l.Model)
	text("caller", l.Caller)
	text("key_id", l.KeyID)
	text("key_name", l.KeyName)
	text("upstream", l.Served.Upstream)
	text("token_id", l.Served.TokenID)
	number("attempts", l.Served.Attempts)
	text("class", l.Served.Class)
	number("events", l.Events)
	text("finish_reason", l.FinishReason)
	number("prompt_tokens", l.PromptTokens)
	number("completion_tokens", l.CompletionTokens)
	number("cache_read_tokens", l.CacheReadTokens)
	number("cache_write_tokens", l.CacheWriteTokens)
	number("cache_write_hour_tokens", l.CacheWriteHourTokens)
	number("reasoning_tokens", l.ReasoningTokens)
	text("usage_source", l.UsageSource)
	text("error_kind", l.ErrorKind)
	text("error", l.Error)
	if l.RemoteIP.IsValid() {
		to.address("remote_ip", l.RemoteIP)
	}
}

// Log writes lines. It is safe for concurrent use.
type Log struct {
	handler slog.Handler
	// output takes lines in JSON; nil: the handler takes them, in whatever form it has. same is
	// what all of these have behind their message.
	output io.Writer
	same   []byte
}

// New makes a log over a logger. Its lines go straight to the logger's handler:
// the logger would first find out which line of the program calls it, for
// nothing.
func New(logger *slog.Logger) *Log { return &Log{handler: logger.Handler()} }

// NewJSON makes a log that writes what one over a logger with slog.JSONHandler does, in a sixth of
// its time: there is a line for each request. The output takes a line at a time, and attrs are
// those that the logger has; logger says which levels are wanted.
func NewJSON(logger *slog.Logger, output io.Writer, attrs ...slog.Attr) *Log {
	log := &Log{handler: logger.Handler(), output: output}
	var same jsonLine
	for _, attr := range attrs {
		same.text(attr.Key, attr.Value.String())
	}
	log.same = same
	return log
}

// message is the same for every line, so that a query finds them all.
const message = "request done"

// Write writes the line at the given level. Nobody is told of its failure: there is nobody whom
// the failure of a log would help.
func (l *Log) Write(level slog.Level, line *Line) {
	ctx := context.Background() // lines are written also when a client has gone
	switch {
	case !l.handler.Enabled(ctx, level):
	case l.output != nil:
		l.writeJSON(level, line)
	default:
		attrs := make(attributes, 0, 32)
		line.tell(&attrs)
		record := slog.NewRecord(time.Now(), level, message, 0)
		record.AddAttrs(attrs...)
		_ = l.handler.Handle(ctx, record)
	}
}

// attributes are fields for a slog.Handler.
type attributes []slog.Attr

func (a *attributes) text(key, value string) { *a = append(*a, slog.String(key, value)) }

func (a *attributes) number(key string, value int64) { *a = append(*a, slog.Int64(key, value)) }

func (a *attributes) milliseconds(key string, d time.Duration) {
	*a = append(*a, slog.Float64(key, milliseconds(d)))
}

func (a *attributes) truth(key string, value bool) { *a = append(*a, slog.Bool(key, value)) }

func (a *attributes) address(key string, value netip.Addr) { a.text(key, value.String()) }

// milliseconds keeps microseconds: most of what the gateway does takes less
// than one millisecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
