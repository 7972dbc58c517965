package anthropic

import (
	"net/http"
	"net/url"
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

// API is Anthropic's Messages API.
type API struct{}

// Dialect is its name.
const Dialect = "anthropic"

// Name implements dialect.Dialect.
func (API) Name() string { return Dialect }

// Path implements dialect.Dialect.
func (API) Path() string { return "/v1/messages" }

// KeyHeaders implements dialect.Dialect: the first or the second, depending on the client's
// age. The third is of other clients.
func (API) KeyHeaders() []string { return keyHeaders }

var keyHeaders = []string{"Authorization", "X-Api-Key", "Api-Key"}

// IDHeader implements dialect.Dialect.
func (API) IDHeader() string { return "Request-Id" }

// Recognizes implements dialect.Dialect. X-Api-Key alone says nothing: clients of other
// APIs send it too.
func (API) Recognizes(header http.Header) bool { return header.Get("Anthropic-Version") != "" }

// Decode implements dialect.Dialect.
func (API) Decode(in dialect.Incoming) (*chat.Request, error) { return decode(in, false) }

// Stream implements dialect.Dialect.
func (API) Stream(request *chat.Request, _ dialect.Options, sink dialect.Sink) dialect.Stream {
	return &stream{sink: sink, request: request}
}

// Whole implements dialect.Dialect.
func (API) Whole(request *chat.Request, _ dialect.Options) dialect.Whole {
	return &whole{request: request}
}

// Error implements dialect.Dialect.
func (API) Error(err error, requestID string) dialect.Error { return renderError(err, requestID) }

// Models implements dialect.Dialect.
func (API) Models(models []chat.Model, query url.Values) ([]byte, error) {
	return listModels(models, query)
}

// Model implements dialect.Dialect.
func (API) Model(model chat.Model) []byte { return appendModel(nil, &model) }

// BodyLimit implements dialect.BodyLimiter: the API takes 32 MiB, and images and documents
// come close to that.
func (API) BodyLimit() int64 { return 32 << 20 }

// CountPath implements dialect.TokenCounter.
func (API) CountPath() string { return "/v1/messages/count_tokens" }

// DecodeCount implements dialect.TokenCounter.
func (API) DecodeCount(in dialect.Incoming) (*chat.Request, error) { return decode(in, true) }

// Count implements dialect.TokenCounter.
func (API) Count(tokens int) []byte {
	return append(strconv.AppendInt([]byte(`{"input_tokens":`), int64(tokens), 10), '}')
}
