package chat

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind is what went wrong, from the client's point of view. A dialect has one
// table that renders each kind.
type Kind string

// The kinds.
const (
	InvalidRequest  Kind = "invalid_request"
	EmptyMessages   Kind = "empty_messages"
	ContextTooLong  Kind = "context_too_long"
	PayloadTooLarge Kind = "payload_too_large"
	// UnsupportedCoding: the body is packed in a way that is not understood.
	UnsupportedCoding Kind = "unsupported_coding"
	Unauthenticated   Kind = "unauthenticated"
	// TooManyAttempts: the key is wrong, as were too many before it from this address.
	TooManyAttempts Kind = "too_many_attempts"
	// Forbidden: the caller is known and may not do this, or not from there.
	Forbidden         Kind = "forbidden"
	NotFound          Kind = "not_found"
	MethodNotAllowed  Kind = "method_not_allowed"
	Conflict          Kind = "conflict"
	ModelNotSupported Kind = "model_not_supported"
	// ModelNotFound: no upstream lists the model, or the one that was asked does not
	// have it.
	ModelNotFound Kind = "model_not_found"
	// Unsupported: the request asks for what its upstream can't be asked for.
	Unsupported Kind = "unsupported_parameter"
	// VisionDisabled: a setting keeps images, or images by URL, from upstreams.
	VisionDisabled Kind = "vision_disabled"
	// InvalidImage: an image is none that the upstream takes, or can't be fetched.
	InvalidImage Kind = "invalid_image"
	// AliasNotFound: the caller chose a token by an alias that none has.
	AliasNotFound Kind = "alias_not_found"
	// OwnTokenRefused: the upstream does not accept the token that the caller
	// brought.
	OwnTokenRefused Kind = "own_token_refused"
	// NoTokens: the pool is empty, or no token of it can serve without an
	// admin's help.
	NoTokens Kind = "no_tokens"
	// NoTokenAvailable: all tokens are cooling or busy.
	NoTokenAvailable Kind = "no_token_available"
	// KeyLimited: a limit of the client's key has no room now.
	KeyLimited Kind = "key_limited"
	// KeySpent: a budget of the client's key is used up, or has too little left.
	KeySpent Kind = "key_spent"
	// RateLimited: the upstream limits every token that was tried.
	RateLimited Kind = "rate_limited"
	// UpstreamAuth: the upstream refused every token that was tried.
	UpstreamAuth Kind = "upstream_auth"
	// UpstreamRejected: the upstream refused the request itself.
	UpstreamRejected Kind = "upstream_rejected"
	// UpstreamUnavailable: the upstream is overloaded, broken or out of reach.
	UpstreamUnavailable Kind = "upstream_unavailable"
	// UpstreamProtocol: the upstream's answer was empty, cut short or garbled.
	UpstreamProtocol Kind = "upstream_protocol"
	// OutdatedClient: the upstream refuses the client version that we name.
	OutdatedClient   Kind = "outdated_client"
	StoreUnavailable Kind = "store_unavailable"
	// Overloaded: this gateway has all in hand that it has room for.
	Overloaded Kind = "overloaded"
	// ShuttingDown: this gateway ends, and with it the request.
	ShuttingDown Kind = "shutting_down"
	Timeout      Kind = "timeout"
	// Canceled: the client hung up; nobody reads this.
	Canceled Kind = "canceled"
	Internal Kind = "internal"
)

// Kinds lists every kind, for tables that must be complete.
func Kinds() []Kind {
	return []Kind{
		InvalidRequest, EmptyMessages, ContextTooLong, PayloadTooLarge, UnsupportedCoding, Unauthenticated, TooManyAttempts, Forbidden, NotFound,
		MethodNotAllowed, Conflict, ModelNotSupported, ModelNotFound, Unsupported, VisionDisabled, InvalidImage, AliasNotFound, OwnTokenRefused,
		NoTokens, NoTokenAvailable, KeyLimited, KeySpent, RateLimited, UpstreamAuth, UpstreamRejected, UpstreamUnavailable, UpstreamProtocol, OutdatedClient,
		StoreUnavailable, Overloaded, ShuttingDown, Timeout, Canceled, Internal,
	}
}

// Error is a failed request.
type Error struct {
	Kind Kind
	// Message is for the client: what was wrong, where, what would be right.
	Message string
	// Param is the request field at fault, such as `messages[2].content`.
	Param string
	// RetryAfter is zero when the client can't know.
	RetryAfter time.Duration
	// Pool says why no token could serve, where that is so; else nil.
	Pool *Pool
	// Upstream is what the upstream itself calls the error; nil where it has said nothing
	// but words.
	Upstream *UpstreamError
	// Err is the cause, for the log only.
	Err error
}

// UpstreamError is an upstream's own error, but for its words. Names that it does not
// give are empty.
type UpstreamError struct {
	Status            int // of HTTP; 200 for an error inside an answer
	Code, Type, Param string
	// Dialect is that of the upstream; empty where the error is in none.
	Dialect string
	// JSON is its whole error body, where Dialect is set and the body is JSON; a client of
	// the dialect may get it as it is. Bounded by the driver.
	JSON []byte
	// Header is as in Beginning.
	Header map[string][]string
}

// Pool counts an upstream's tokens by what keeps each from serving a request.
type Pool struct {
	Total int
	// Busy ones are at their cap. Probing and Quarantined ones wait for what becomes
	// of the requests that they have. Tried ones have failed this request.
	Busy, Cooling, Probing, Quarantined, Tried int
	// These need an admin.
	Parked, Disabled, Expired int
}

// Errorf makes an error without a cause.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Error is for logs; clients are shown Message alone.
func (e *Error) Error() string {
	text := string(e.Kind) + ": " + e.Message
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// NeverFits tells whether the request is larger than a limit of the client's key ever allows: of
// one that may fit later the store knows when to try again.
func (e *Error) NeverFits() bool { return e.Kind == KeyLimited && e.RetryAfter == 0 }

// Unwrap answers the cause.
func (e *Error) Unwrap() error { return e.Err }

// AsError finds the *Error in err, or wraps a foreign one: a context's end
// becomes Canceled or Timeout, anything else Internal with a message that tells
// nothing.
func AsError(err error) *Error {
	var own *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.Is(err, context.Canceled):
		return &Error{Kind: Canceled, Message: "the request was cancelled", Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: Timeout, Message: "the request took too long", Err: err}
	default:
		return &Error{Kind: Internal, Message: "internal error; the request id finds it in the log", Err: err}
	}
}
