package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"

	"carousel.internal/gateway/internal/chat"
)

// Passer is implemented by drivers that carry calls of the OpenAI API's side endpoints to
// an upstream that has them, as they are.
type Passer interface {
	// Pass sends the call and returns the answer, of which the first bytes have come: an
	// answer that begins with an error has not begun. Errors are *Failure.
	Pass(ctx context.Context, call *RawCall) (*RawAnswer, error)
}

// ErrUnsent is among the causes of a failure if nothing of the request has reached the
// upstream.
var ErrUnsent = errors.New("the request was not sent")

// RawCall is one attempt of a request that is carried as it is.
type RawCall struct {
	// Path is the endpoint's, below the upstream's base URL, without a slash before it.
	// Query is the client's.
	Path, Query string
	// Method is that of HTTP; empty: POST.
	Method string
	// Header is the client's, as far as it goes along. Nobody changes it.
	Header http.Header
	// Open begins to read the body, which has Length bytes; nil: there is none. Readers are
	// apart from each other, and one may be read after the call has ended.
	Open   func() io.Reader
	Length int64
	// Stream tells whether the client wants server-sent events.
	Stream bool
	// Slow tells that the first byte may take as long as a whole answer.
	Slow bool
	// Once tells that the upstream must not get the request twice.
	Once bool
	// Vectors is the form in which the client wants embeddings; any other word, or none: they
	// stay as they are.
	Vectors    VectorForm
	Credential Credential
}

// VectorForm is a form of embeddings.
type VectorForm string

// The forms: numbers in a list, and base64 of little-endian float32.
const (
	Floats VectorForm = "float"
	Base64 VectorForm = "base64"
)

// RawAnswer is an upstream's answer as it is.
type RawAnswer struct {
	Status int
	// Header is what of the upstream's header is for the client.
	Header http.Header
	// Length is that of the body, in bytes; -1 where it is not known.
	Length int64
	// Body is read as it comes. Its errors are *Failure, but for io.EOF. Closing it ends
	// the upstream's call.
	Body io.ReadCloser
	// End tells, after io.EOF, what the upstream has counted, nil where it has counted
	// nothing; and the failure that it has told the client inside of the answer, if it has.
	End func() (usage *chat.Usage, told *Failure)
}
