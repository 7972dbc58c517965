// Package reqlog has the record that the gateway keeps of each request it
// accepted. It does no I/O: the tokens package ships entries to the store.
package reqlog

import (
	"slices"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/headerlog"
	"carousel.internal/gateway/internal/money"
)

// End says how a request ended.
type End string

// The ends.
const (
	Done          End = "done"
	ClientGone    End = "client_gone"
	UpstreamError End = "upstream_error"
	Truncated     End = "truncated"
	TimedOut      End = "timeout"
	// ShutDown: this gateway ended before its answer did.
	ShutDown End = "shut_down"
	// Refused: no attempt was made.
	Refused End = "refused"
)

// Effect is what an attempt's outcome may do to its token; what it did is the
// store's to say.
type Effect string

// The effects.
const (
	NoEffect     Effect = "none"
	TokenMayCool Effect = "token_may_cool"
	ModelMayCool Effect = "model_may_cool"
)

// CostQuality is how far a cost is to be trusted: as far as the counts that it is of.
type CostQuality string

// The qualities.
const (
	CostReported  CostQuality = "reported"
	CostEstimated CostQuality = "estimated"
	CostPartial   CostQuality = "partial"
	// CostUnpriced: something was used whose price is not known; the cost is 0.
	CostUnpriced CostQuality = "unpriced"
)

// Attempt is one request to an upstream.
type Attempt struct {
	StartedAt time.Time
	Total     time.Duration
	Upstream  string
	// Model is the id that the upstream knows.
	Model string
	// TokenID, TokenAlias and TokenFingerprint are empty for a token that the client
	// brought.
	TokenID          string
	TokenAlias       string
	TokenFingerprint string
	MaskedSecret     string
	// Class is the failure's; empty for success.
	Class string
	// Rule is the row of a table that decided the class.
	Rule   string
	Effect Effect
	// Status is the upstream's HTTP status, Code its own name for the error, and Param
	// the request's field that it names as the one at fault.
	Status int
	Code   string
	Param  string
	// Message is what the upstream said: redacted, at most 512 bytes.
	Message    string
	RetryAfter time.Duration
	// Sent and Received are what is kept of the headers of a failed attempt; nil of others.
	Sent, Received []headerlog.Header
}

// Troubled tells whether the request failed, or one of its attempts.
func (e *Entry) Troubled() bool {
	return e.Err != nil || slices.ContainsFunc(e.AttemptLog, func(each Attempt) bool { return each.Class != "" })
}

// maxAttempts bounds AttemptLog.
const maxAttempts = 16

// Note adds an attempt. Where there is no room the last one gives way: how a request
// began and how it ended tell the most.
func (e *Entry) Note(attempt Attempt) {
	if len(e.AttemptLog) == maxAttempts {
		e.AttemptLog[maxAttempts-1] = attempt
		return
	}
	e.AttemptLog = append(e.AttemptLog, attempt)
}

// Entry is one request.
type Entry struct {
	ID string
	// Dialect is the name of the API that the client spoke, and of a side endpoint its name
	// too, such as `openai/embeddings`.
	Dialect string
	// Translated: the upstream does not speak the client's dialect.
	Translated bool
	StartedAt  time.Time
	Total      time.Duration
	// FirstByte is zero when no byte came.
	FirstByte time.Duration
	Model     string
	Upstream  string
	// Caller is who asked.
	Caller caller.Caller
	// ServedModel is the id by which the upstream knows the model that was asked last.
	ServedModel string
	// FallbackModel is the model that was asked last, where it was not Model.
	FallbackModel    string
	TokenID          string
	TokenAlias       string
	TokenFingerprint string
	// MaskedSecret and MaskedChecksum are what may be shown of the token's secret
	// and of its checksum.
	MaskedSecret   string
	MaskedChecksum string
	Stream         bool
	HTTPStatus     int
	// Err is nil when the answer was complete.
	Err      *chat.Error
	End      End
	Attempts int
	// AttemptLog tells of each attempt, within the bounds of Note.
	AttemptLog []Attempt
	// ClientHeaders are what is kept of the client's headers where something failed; else nil.
	ClientHeaders []headerlog.Header
	Usage         chat.Usage
	// Cost is what Usage costs by the prices of this moment, Quality how far that is to be trusted;
	// empty where nothing was used.
	Cost    money.Pico
	Quality CostQuality
	// TraceID is the trace that has the request's spans, 32 hexadecimal digits; empty where it is
	// not traced.
	TraceID string
	// Prompt is kept unless a setting says otherwise; the store seals it. Of a
	// longer one its first 64 KiB.
	Prompt    string
	PromptCut bool
}
