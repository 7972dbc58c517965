package openai

import (
	"net/http"
	"net/url"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/objects"
)

// API is OpenAI's Chat Completions API.
type API struct {
	// Input knows bodies in the form of the Responses API; nil: such a body is no request.
	Input Input
}

// Dialect is its name.
const Dialect = "openai"

// Name implements dialect.Dialect.
func (API) Name() string { return Dialect }

// Path implements dialect.Dialect.
func (API) Path() string { return "/v1/chat/completions" }

// KeyHeaders implements dialect.Dialect.
func (API) KeyHeaders() []string { return keyHeaders }

var keyHeaders = []string{"Authorization", "X-Api-Key", "Api-Key"}

// IDHeader implements dialect.Dialect: clients read X-Request-Id.
func (API) IDHeader() string { return "" }

// Recognizes implements dialect.Dialect: clients name themselves in no way.
func (API) Recognizes(http.Header) bool { return false }

// Decode implements dialect.Dialect.
func (a API) Decode(in dialect.Incoming) (*chat.Request, error) {
	var d decoder
	if err := d.read(in.Body, "chatcmpl-"+in.RequestID, in.Received); err != nil {
		return nil, err
	}
	if a.Input != nil && !d.hasMessages && d.hasInput {
		return a.readInput(in, d.req)
	}
	return d.finish()
}

// Stream implements dialect.Dialect.
func (API) Stream(request *chat.Request, options dialect.Options, sink dialect.Sink) dialect.Stream {
	return NewStreamEncoder(request, options, sink)
}

// Whole implements dialect.Dialect.
func (API) Whole(request *chat.Request, _ dialect.Options) dialect.Whole {
	return NewCollector(request)
}

// Error implements dialect.Dialect.
func (API) Error(err error, _ string) dialect.Error { return EncodeError(err) }

// Models implements dialect.Dialect.
func (API) Models(models []chat.Model, _ url.Values) ([]byte, error) {
	return objects.Models(models), nil
}

// Model implements dialect.Dialect.
func (API) Model(model chat.Model) []byte { return objects.Model(model) }
