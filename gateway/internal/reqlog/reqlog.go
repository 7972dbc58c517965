// Package reqlog has the record that the gateway keeps of each request it
// accepted. It does no I/O: the tokens package ships entries to the store.
package reqlog

import (
	"time"

	"carousel.internal/gateway/internal/chat"
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
	// Refused: no attempt was made.
	Refused End = "refused"
)

// Entry is one request.
type Entry struct {
	ID        string
	StartedAt time.Time
	Total     time.Duration
	// FirstByte is zero when no byte came.
	FirstByte time.Duration
	Model     string
	Upstream  string
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
	Usage    chat.Usage
	// Prompt is kept unless a setting says otherwise; the store seals it. Of a
	// longer one its first 64 KiB.
	Prompt    string
	PromptCut bool
}
