package upstream

import (
	"fmt"
	"time"

	"carousel.internal/gateway/internal/chat"
)

// Class says who or what was at fault when an attempt failed. It decides
// whether another token is tried, and what the token pool does with this one.
type Class string

// The classes.
const (
	// CallerFault: the request is wrong; every token would be refused.
	CallerFault Class = "caller_fault"
	// SealRefused: the upstream does not trust reasoning of an earlier turn. Without it the
	// request may succeed.
	SealRefused Class = "seal_refused"
	// ClientGone: the client hung up.
	ClientGone Class = "client_gone"
	// Interrupted: this gateway ended it, because it shut down or the request's time was
	// over.
	Interrupted Class = "interrupted"
	// Auth: the upstream does not accept the token.
	Auth Class = "auth"
	// ModelNotAllowed: the token's plan does not include the model.
	ModelNotAllowed Class = "model_not_allowed"
	// ModelUnknown: the upstream does not have the model, whoever asks.
	ModelUnknown Class = "model_unknown"
	// Quota: the token's quota is used up.
	Quota Class = "quota"
	// RateLimit: too many requests with the token.
	RateLimit Class = "rate_limit"
	// TooLarge: the prompt is larger than the model takes.
	TooLarge Class = "too_large"
	// OutdatedClient: the upstream refuses the client version we name.
	OutdatedClient Class = "outdated_client"
	// Broken: the upstream is overloaded, failing, or silent for longer than a
	// timeout allows.
	Broken Class = "upstream"
	// Transport: the upstream could not be reached, or the connection broke.
	Transport Class = "transport"
	// Truncated: the answer was empty, cut short or garbled.
	Truncated Class = "truncated"
	// Region: the upstream does not serve this region.
	Region Class = "region"
	// Proxy: the proxy of the token, or of the upstream, could not be reached, or refused.
	// Nothing is known of the token, nor of the upstream.
	Proxy Class = "proxy"
)

// consequences are what a class means for a request.
type consequences struct {
	kind chat.Kind
	// token: another token may succeed where this one failed.
	token bool
	// model: another model, or another upstream, may.
	model bool
	// cools: the token rests.
	cools bool
	// ours: it comes from this side; no upstream's word can mean it.
	ours bool
}

// classTable is the one table of what is done about a failure.
var classTable = map[Class]consequences{
	CallerFault:     {kind: chat.UpstreamRejected},
	SealRefused:     {kind: chat.UpstreamRejected},
	ClientGone:      {kind: chat.Canceled, ours: true},
	Interrupted:     {kind: chat.ShuttingDown, ours: true},
	Auth:            {kind: chat.UpstreamAuth, token: true, model: true, cools: true},
	ModelNotAllowed: {kind: chat.UpstreamAuth, token: true, model: true, cools: true},
	ModelUnknown:    {kind: chat.ModelNotFound, model: true},
	Quota:           {kind: chat.RateLimited, token: true, model: true, cools: true},
	RateLimit:       {kind: chat.RateLimited, token: true, model: true, cools: true},
	TooLarge:        {kind: chat.ContextTooLong, model: true},
	OutdatedClient:  {kind: chat.OutdatedClient, model: true},
	Broken:          {kind: chat.UpstreamUnavailable, token: true, model: true},
	Transport:       {kind: chat.UpstreamUnavailable, token: true, model: true},
	Truncated:       {kind: chat.UpstreamProtocol, token: true, model: true},
	// An account can be of another region than the next one.
	Region: {kind: chat.UpstreamUnavailable, token: true, model: true},
	// Another token has another way out; this one rests until its own is back.
	Proxy: {kind: chat.UpstreamUnavailable, token: true, model: true, cools: true},
}

// Classes lists every class.
func Classes() []Class {
	return []Class{
		CallerFault, SealRefused, ClientGone, Interrupted, Auth, ModelNotAllowed, ModelUnknown, Quota, RateLimit, TooLarge,
		OutdatedClient, Broken, Transport, Truncated, Region, Proxy,
	}
}

// Kind is how the class looks to the client when no other token helped.
func (c Class) Kind() chat.Kind { return classTable[c].kind }

// Retryable tells whether another token may succeed where this one failed.
func (c Class) Retryable() bool { return classTable[c].token }

// FallsBack tells whether another model or upstream may succeed where this one
// failed.
func (c Class) FallsBack() bool { return classTable[c].model }

// Ours tells whether it is this side that ended the attempt.
func (c Class) Ours() bool { return classTable[c].ours }

// Cools tells whether the token, or the token with the model, rests after it.
func (c Class) Cools() bool { return classTable[c].cools }

// Failure is the error of an attempt.
type Failure struct {
	Class Class
	// Message is what the upstream said, fit for the client: no secret, no
	// markup, at most 512 bytes.
	Message string
	// ModelOnly tells that the failure is about the token with this model, where its
	// class would be about the whole token.
	ModelOnly bool
	// GroupWide tells that the failure is about all credentials of the group that Call.Grouped
	// was told.
	GroupWide bool
	// Rule is the name of the row that decided the class.
	Rule string
	// Status is the upstream's HTTP status; 0 where there was none.
	Status int
	// Code is the upstream's own name for the error; empty where it has none.
	Code string
	// Type is the upstream's name for the kind of error, and Param the request's field
	// that it finds at fault; empty where it names none.
	Type, Param string
	// Dialect, JSON and Header are as in chat.UpstreamError.
	Dialect string
	JSON    []byte
	Header  map[string][]string
	// RetryAfter is the upstream's hint; 0 where it gave none.
	RetryAfter time.Duration
	// Err is the cause, for the log.
	Err error
}

// Error is for logs.
func (f *Failure) Error() string {
	text := "upstream " + string(f.Class)
	if f.Status != 0 {
		text += fmt.Sprintf(" (HTTP %d)", f.Status)
	}
	if f.Code != "" {
		text += " " + f.Code
	}
	if f.Message != "" {
		text += ": " + f.Message
	}
	if f.Err != nil {
		text += ": " + f.Err.Error()
	}
	return text
}

// Unwrap answers the cause.
func (f *Failure) Unwrap() error { return f.Err }
