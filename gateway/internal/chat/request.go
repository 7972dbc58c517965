// Package chat is the canonical conversation in the middle of the gateway. API
// dialects translate their wire JSON to and from it, upstream drivers translate
// it to and from a provider's wire; they never meet elsewhere. It does no I/O
// and knows neither side.
package chat

import (
	"strconv"
	"time"
)

// Request is one chat request.
type Request struct {
	// ID is the request's id everywhere: answer, log, upstream.
	ID string
	// Created is when the gateway accepted it; an answer's `created`.
	Created time.Time
	// Model is the id that the client named.
	Model string
	// Messages are the turns in their order. Instructions stand where the client has
	// put them, as messages of the role System.
	Messages []Message
	// Tools are what the model may call.
	Tools []ToolSpec
	// ToolChoice rules whether it must.
	ToolChoice ToolChoice
	// ParallelCalls tells whether one answer may have several calls; nil: not said.
	ParallelCalls *bool
	// Stream tells whether the client wants the answer in pieces. A driver
	// whose upstream can do both asks in the same way.
	Stream bool
	// IncludeUsage asks for token counts at the end of a stream.
	IncludeUsage bool
	// MaxTokens bounds the answer, in tokens; 0: nothing does.
	MaxTokens int
	// Stop are texts before which the answer ends, each of at least one byte.
	Stop     []string
	Sampling Sampling
	Thinking Thinking
	Output   Output
	// Verbosity is how long the client wants answers: low, medium or high; empty: not said.
	Verbosity string
	// ServiceTier is the client's word for how fast, and how dear, the answer is to be.
	ServiceTier string
	// Cache marks all that comes before the answer as worth keeping; nil: not said.
	Cache *CacheMark
	// Asks are what else the client asks of the upstream, as far as the dialect tells it
	// apart; Source has it all.
	Asks []Ask
	// HistoryFault is what is wrong by the dialect's rules, mostly with the messages; nil:
	// nothing is. An upstream that speaks the dialect gets them as they came and judges them
	// itself; for any other the request is refused with it.
	HistoryFault *Error
	// User is the client's name for its end user; empty where it gave none.
	User string
	// Session is what the client says belongs together, such as a conversation; empty
	// where it says nothing.
	Session string
	// Locate names a part in the client's own terms, for errors; nil: as in
	// `messages[2].content[0]`. A part of -1 is the whole message.
	Locate func(message, part int) string
	// Source is the client's own request, for a driver whose upstream speaks the
	// same dialect and so can be given what the canonical form does not name.
	Source Source
}

// Place names a part, or with a part of -1 a message, as the client knows it.
func (r *Request) Place(message, part int) string {
	if r.Locate != nil {
		return r.Locate(message, part)
	}
	place := "messages[" + strconv.Itoa(message) + "]"
	if part >= 0 {
		place += ".content[" + strconv.Itoa(part) + "]"
	}
	return place
}

// Source is a request as it came.
type Source struct {
	// Dialect is the name of the API dialect, such as "openai".
	Dialect string
	// JSON is the whole body. Nobody changes it. Members are those in it that drivers of the
	// dialect may set.
	JSON    []byte
	Members Members
	// Query is the URL's, without the question mark and without keys.
	Query string
	// Previous is the id of an earlier answer that the client goes on with, where JSON has
	// all of that itself; empty: there is none.
	Previous string
	// Header has those of the client's headers that an upstream of the same dialect is
	// to see, by canonical name. None of them is a credential.
	Header map[string][]string
}

// Model is an entry of the models list.
type Model struct {
	ID      string
	OwnedBy string
	// Created is in Unix seconds.
	Created int64
}

// UntoldCreated is Created of models whose upstream does not say it.
const UntoldCreated = 1706659200
