// Package dialect says what an API dialect is: the translation of one wire, as clients
// speak it, to and from the canonical conversation. Each dialect is a folder below; the
// suite that defines their behaviour is dialecttest. The package knows no provider, no
// token and no HTTP server.
package dialect

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"carousel.internal/gateway/internal/chat"
)

// Dialect is an API that clients speak. It is safe for concurrent use.
type Dialect interface {
	// Name is as in chat.Source, and in logs.
	Name() string
	// Path is where requests are posted, below the route prefix.
	Path() string
	// KeyHeaders are the headers in which clients send their key, in the order in which
	// they are believed. One of Authorization has the scheme Bearer.
	KeyHeaders() []string
	// IDHeader is the header in which clients look for the request's id, beside
	// X-Request-Id; empty: nowhere else.
	IDHeader() string
	// Recognizes tells by a request's headers whether it comes from a client of this
	// dialect, where its path does not say so: several dialects share the list of models.
	Recognizes(header http.Header) bool
	// Decode makes a request of what a client has sent. It keeps in.Body and in.Header.
	// Errors are *chat.Error and say what is wrong and where.
	Decode(in Incoming) (*chat.Request, error)
	// Stream writes the answer to request as it comes.
	Stream(request *chat.Request, options Options, sink Sink) Stream
	// Whole gathers the answer to request, for a client that did not ask for a stream.
	Whole(request *chat.Request, options Options) Whole
	// Error renders an error, before an answer or in the middle of one. Of one that is no
	// *chat.Error the client is told nothing but that.
	Error(err error, requestID string) Error
	// Models renders the list of models, or the page of it that query asks for. Errors are
	// *chat.Error.
	Models(models []chat.Model, query url.Values) ([]byte, error)
	// Model renders one model.
	Model(model chat.Model) []byte
}

// TokenCounter is implemented by dialects whose clients may ask how many tokens a request
// has before they send it.
type TokenCounter interface {
	// CountPath is where they ask, below the route prefix.
	CountPath() string
	// DecodeCount is Decode for a question: what only an answer needs may be missing.
	DecodeCount(in Incoming) (*chat.Request, error)
	// Count renders the number.
	Count(tokens int) []byte
}

// Compacter is implemented by dialects whose clients may ask for a conversation in short, and
// then go on with that in its place.
type Compacter interface {
	// CompactPath is where they ask, below the route prefix.
	CompactPath() string
	// Compact is Decode for such a body: its request has a model write the short form.
	Compact(in Incoming) (*chat.Request, error)
	// Compacted gathers the answer to that request.
	Compacted(request *chat.Request) Whole
}

// BodyLimiter is implemented by dialects whose clients count on a limit of bodies.
type BodyLimiter interface {
	// BodyLimit is the largest body that the API takes, in bytes.
	BodyLimit() int64
}

// Tuner is implemented by dialects whose requests can be given what an alias says of them.
type Tuner interface {
	// Tune returns the request as Decode would of a body that says it itself. It does not
	// change the one that it is given. Errors are *chat.Error.
	Tune(request *chat.Request, parameters []chat.Parameter) (*chat.Request, error)
}

// Rememberer is implemented by dialects whose answers are kept, so that clients read them, and
// go on with them, by their ids. Its Streams and Wholes are Memories.
type Rememberer interface {
	// Wishes tells what a body asks of what is kept. It does not judge the body.
	Wishes(body []byte) Wishes
	// Resume returns the body as it would be if it had all of the input itself: the items that
	// went into the earlier answer, those that came out, its own; and nothing of the earlier
	// answer's id. Errors are *chat.Error.
	Resume(body []byte, earlier Remembered) ([]byte, error)
	// Input returns all items of a body's input as a JSON array, each with an id.
	Input(body []byte) ([]byte, error)
	// InputPage renders a page of such an array as query asks for it. Errors are *chat.Error.
	InputPage(input []byte, query url.Values) ([]byte, error)
	// Deleted renders that an answer is kept no more.
	Deleted(id string) []byte
	// Unknown is the error for an id of which nothing is kept; param is the field that named
	// it, or empty where the path did.
	Unknown(id, param string) *chat.Error
}

// Wishes are what a body asks of what is kept.
type Wishes struct {
	// Previous is the id of the answer that it goes on with; empty: none.
	Previous string
	// Keep tells whether its own answer is to be kept.
	Keep bool
}

// Remembered is an answer that is kept: JSON, as Input and Memory have it.
type Remembered struct {
	Answer, Input []byte
}

// Memory is an answer that can be kept.
type Memory interface {
	// Answer returns the id and the whole of an answer of which the last event has come; of a
	// stream before Done has written the end of it. Native tells that the upstream itself
	// has given it the id.
	Answer() (id string, json []byte, native bool)
	// Forgotten has the answer say, in what is still to be written of it, that it is not kept.
	Forgotten()
}

// Background is implemented by Streams of answers that an upstream goes on to make when the client
// has gone, and is asked for later.
type Background interface {
	// InBackground returns the id of such an answer, once: when the upstream has said it, and
	// Event has been told so. At any other time it is empty.
	InBackground() (id string)
}

// Breaker is implemented by Streams that say in their own way how they broke.
type Breaker interface {
	// Break ends a stream with the error, and returns true. begun tells whether the client has
	// had anything of it, if only a heartbeat; where it has not, Break may return false without
	// having written anything: then an ordinary answer says it better.
	Break(err error, requestID string, begun bool) bool
}

// RateLimit is how far a caller's limit by the minute is used up.
type RateLimit struct {
	// Unit is what it counts: requests or tokens.
	Unit  string
	Limit uint64
	// Known tells whether it is known what is left; else that and Reset are not told.
	Known bool
	Left  uint64
	// Reset is when all of it can be used again, if nothing else is used.
	Reset time.Time
}

// LimitTeller is implemented by dialects whose clients look for limits in headers of their own,
// beside those of SetRateLimit.
type LimitTeller interface {
	// TellLimit sets the headers of one limit.
	TellLimit(header http.Header, limit RateLimit, now time.Time)
}

// SetRateLimit tells a limit in the headers in which most clients look for it, OpenAI's, such as
// `x-ratelimit-reset-tokens: 6m0s`.
func SetRateLimit(header http.Header, limit RateLimit, now time.Time) {
	header.Set("X-Ratelimit-Limit-"+limit.Unit, strconv.FormatUint(limit.Limit, 10))
	if !limit.Known {
		return
	}
	header.Set("X-Ratelimit-Remaining-"+limit.Unit, strconv.FormatUint(limit.Left, 10))
	header.Set("X-Ratelimit-Reset-"+limit.Unit, max(limit.Reset.Sub(now), 0).Truncate(time.Millisecond).String())
}

// Incoming is a request as it came.
type Incoming struct {
	Body   []byte
	Header http.Header
	// Query is the URL's, without keys.
	Query string
	// Previous is the id of the earlier answer that the client goes on with, where Body is what
	// Resume has made of its own; empty: it is as it came.
	Previous string
	// RequestID and Received become an answer's id and time.
	RequestID string
	Received  time.Time
}

// Options are settings as of the request's start.
type Options struct {
	// OmitFinish leaves out what tells why a stream ended, where a dialect can do without,
	// as the setting include_stop_stream = false asks for.
	OmitFinish bool
}

// Sink takes the events of one stream; sse.Writer is one. It copies what it is given.
type Sink interface {
	// Event sends an event; an empty name is none. With more, another event is about to
	// follow, and the sink may wait for it before it sends.
	Event(name string, payload []byte, more bool) error
	// Flush sends what was held back.
	Flush() error
	// Heartbeat sets what is sent from now on when all is silent: whole lines, which next
	// returns each time; where it returns none, nothing is sent. It is called in any goroutine,
	// one call at a time, and must not use the sink.
	Heartbeat(next func() string)
}

// Stream writes one answer. One goroutine uses it. Its errors are the Sink's.
type Stream interface {
	// Event writes what an event says: nothing, a frame or several.
	Event(event chat.Event) error
	// Done ends a complete answer. Nothing of it is called after an answer that broke: an
	// Error's frame ends that.
	Done() error
}

// Whole gathers one answer. One goroutine uses it.
type Whole interface {
	// Add takes the next event. It keeps nothing of event.Raw.
	Add(event chat.Event)
	// JSON is the whole answer.
	JSON() []byte
}

// Error is an error as an HTTP answer of content type application/json, or as the last
// frame of a stream.
type Error struct {
	Status int
	// Header has what stands beside the body, such as Retry-After.
	Header http.Header
	JSON   []byte
	// Event is the name of the frame with JSON that ends a stream; empty: it has none.
	Event string
}

// SetRetryAfter tells in a header how long to wait, rounded up to whole seconds: that is what it
// can say. A wait of nothing is not told.
func SetRetryAfter(header http.Header, wait time.Duration) {
	if wait > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
}
