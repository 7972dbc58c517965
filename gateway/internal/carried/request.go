package carried

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"slices"
	"time"

	"carousel.internal/gateway/internal/chat"
)

// Request is a request to a side endpoint.
type Request struct {
	Route *Route
	// Method is HTTP's; empty: POST. Below is the rest of the path, behind the route's name: of
	// something that the upstream has given an id.
	Method, Below string
	// ID is the request's id everywhere, Created when the gateway accepted it.
	ID      string
	Created time.Time
	// Dialect is the name of the API that the client speaks, such as "openai".
	Dialect string
	// Model is the id that the client named; empty where it named none.
	Model string
	// Stream tells whether the client wants server-sent events.
	Stream bool
	// Vectors is the form in which embeddings are wanted, such as `base64`; empty where the
	// route has none.
	Vectors string
	// User is the client's name for its end user, and Session what it says belongs
	// together; empty where it says nothing.
	User, Session string
	// Prompt is what the request asks, for the log: a text, or the JSON of something else.
	// Of a form's it is the beginning.
	Prompt string
	// MaxTokens is what the request bounds each answer to, and Choices how many it asks for; 0: it
	// says nothing.
	MaxTokens, Choices int
	// Query is the query as it came, and Header what goes to the upstream with the body.
	// Nobody changes it.
	Query  string
	Header http.Header

	// source is nil where there is no body.
	source io.ReaderAt
	size   int64
	// names are where the model's name stands in the source, in ascending order.
	names []span
	// written is a name as it stands there.
	written func(model string) []byte
}

// span is a stretch of a source.
type span struct{ from, to int64 }

// Bare is a request without a body, about what was made with a model. client is the client's
// header.
func Bare(route *Route, method, below, model string, client http.Header) *Request {
	header := headerOf(client, "")
	header.Del("Content-Type")
	return &Request{Route: route, Method: method, Below: below, Model: model, Header: header}
}

// HasBody tells whether the request brings something to be worked on. One that does not asks
// about what has been made.
func (r *Request) HasBody() bool { return r.source != nil }

// Body is what is sent.
type Body struct {
	// Open begins to read it; each reader is apart from all others. nil: there is no body.
	Open   func() io.Reader
	Length int64
}

// Body is the request's body with another name for the model, and else as it came. A
// body that names none stays without.
func (r *Request) Body(model string) Body {
	if !r.HasBody() {
		return Body{}
	}
	if len(r.names) == 0 || model == r.Model {
		return Body{Open: func() io.Reader { return io.NewSectionReader(r.source, 0, r.size) }, Length: r.size}
	}
	name := r.written(model)
	length := r.size
	for _, old := range r.names {
		length += int64(len(name)) - (old.to - old.from)
	}
	return Body{Open: func() io.Reader { return r.spliced(name) }, Length: length}
}

func (r *Request) spliced(name []byte) io.Reader {
	pieces := make([]io.Reader, 0, 2*len(r.names)+1)
	at := int64(0)
	for _, old := range r.names {
		pieces = append(pieces, io.NewSectionReader(r.source, at, old.from-at), bytes.NewReader(name))
		at = old.to
	}
	return io.MultiReader(append(pieces, io.NewSectionReader(r.source, at, r.size-at))...)
}

// carriedHeaders are the client's headers that go along, beside the content type. What
// names an account, such as OpenAI-Organization, is not among them.
var carriedHeaders = []string{"Accept", "Idempotency-Key", "Openai-Beta"}

func headerOf(client http.Header, contentType string) http.Header {
	header := http.Header{"Content-Type": {contentType}}
	for _, name := range carriedHeaders {
		if values := client[name]; len(values) > 0 {
			header[name] = slices.Clone(values)
		}
	}
	return header
}

// IsForm tells whether a body of that content type is a form with files.
func IsForm(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType) // it tells the type also where parameters are wrong
	return media == "multipart/form-data"
}

// validate judges what was read.
func (r *Request) validate() error {
	if r.Model == "" && !r.Route.Unnamed {
		return badModel("`model` is missing: name the model that shall answer")
	}
	return nil
}

// badModel is the error for the model's name.
func badModel(format string, args ...any) *chat.Error {
	err := chat.Errorf(chat.InvalidRequest, format, args...)
	err.Param = "model"
	return err
}
