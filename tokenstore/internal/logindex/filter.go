package logindex

import (
	"strings"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Filter chooses log entries; its zero fields choose all.
type Filter struct {
	ID, Model, Upstream, Status string
	// RequestID is what the answer's id ends with, after its prefix.
	RequestID           string
	TokenID, TokenAlias string
	// KeyID is the client key's.
	KeyID  string
	Stream *bool
	// Error is found anywhere in the error's text, in any case.
	Error string
	// ErrorKind is the error's kind.
	ErrorKind string
	// Retried: only entries with more than one attempt.
	Retried bool
	// MinTotal is how long the request took at least.
	MinTotal time.Duration
	// From and To bound when the request began; both are included.
	From, To time.Time
}

// Match tells whether the filter chooses the entry.
func (f Filter) Match(e *tokenstorev1.LogEntry) bool {
	started := e.GetStartedAt().AsTime()
	return (f.ID == "" || e.GetId() == f.ID) &&
		(f.RequestID == "" || requestID(e.GetId()) == f.RequestID) &&
		(f.Model == "" || e.GetModel() == f.Model) &&
		(f.Upstream == "" || e.GetUpstream() == f.Upstream) &&
		(f.Status == "" || e.GetStatus() == f.Status) &&
		(f.TokenID == "" || e.GetTokenId() == f.TokenID) &&
		(f.TokenAlias == "" || e.GetTokenAlias() == f.TokenAlias) &&
		(f.KeyID == "" || e.GetKeyId() == f.KeyID) &&
		(f.Stream == nil || e.GetStream() == *f.Stream) &&
		(f.Error == "" || strings.Contains(strings.ToLower(e.GetError()), strings.ToLower(f.Error))) &&
		(f.ErrorKind == "" || e.GetErrorKind() == f.ErrorKind) &&
		(!f.Retried || retried(e)) &&
		(f.MinTotal == 0 || e.GetTotal().AsDuration() >= f.MinTotal) &&
		(f.From.IsZero() || !started.Before(f.From)) &&
		(f.To.IsZero() || !started.After(f.To))
}

// requestID is the part of an answer's id that is the request's: chatcmpl-ID, msg_ID.
func requestID(id string) string { return id[strings.LastIndexAny(id, "-_")+1:] }

func retried(e *tokenstorev1.LogEntry) bool { return e.GetAttempts() > 1 }
