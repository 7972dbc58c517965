package responses

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/objects"
)

// API is OpenAI's Responses API.
type API struct {
	// Now tells when an answer is complete; nil: time.Now does.
	Now func() time.Time
	// BesideChat: bodies come where Chat's are posted, and may have Chat's fields too, which
	// somebody else reads.
	BesideChat bool
}

// Dialect is its name.
const Dialect = "responses"

var (
	_ dialect.Dialect      = API{}
	_ dialect.TokenCounter = API{}
	_ dialect.Tuner        = API{}
	_ dialect.Rememberer   = API{}
	_ dialect.Compacter    = API{}
)

// Name implements dialect.Dialect.
func (API) Name() string { return Dialect }

// Path implements dialect.Dialect.
func (API) Path() string { return "/v1/responses" }

// KeyHeaders implements dialect.Dialect.
func (API) KeyHeaders() []string { return keyHeaders }

var keyHeaders = []string{"Authorization", "X-Api-Key", "Api-Key"}

// IDHeader implements dialect.Dialect: clients read X-Request-Id.
func (API) IDHeader() string { return "" }

// Recognizes implements dialect.Dialect. Of the API's clients Codex alone names itself.
func (API) Recognizes(header http.Header) bool { return isCodex(header) }

// Decode implements dialect.Dialect.
func (a API) Decode(in dialect.Incoming) (*chat.Request, error) { return a.decode(in) }

// Stream implements dialect.Dialect. Events say why they end in any case, so that no option
// has a say.
func (a API) Stream(request *chat.Request, _ dialect.Options, sink dialect.Sink) dialect.Stream {
	return &stream{sink: sink, answer: a.begin(request)}
}

// Whole implements dialect.Dialect.
func (a API) Whole(request *chat.Request, _ dialect.Options) dialect.Whole {
	return &whole{answer: a.begin(request)}
}

func (a API) begin(request *chat.Request) answer {
	now := a.Now
	if now == nil {
		now = time.Now
	}
	return newAnswer(request, now)
}

// Error implements dialect.Dialect.
func (API) Error(err error, _ string) dialect.Error { return renderError(err) }

// Models implements dialect.Dialect.
func (API) Models(models []chat.Model, _ url.Values) ([]byte, error) {
	return objects.Models(models), nil
}

// Model implements dialect.Dialect.
func (API) Model(model chat.Model) []byte { return objects.Model(model) }

// BodyLimit implements dialect.BodyLimiter: Codex sends the whole conversation each time, with
// its screenshots.
func (API) BodyLimit() int64 { return 32 << 20 }

// CountPath implements dialect.TokenCounter.
func (API) CountPath() string { return "/v1/responses/input_tokens" }

// DecodeCount implements dialect.TokenCounter.
func (a API) DecodeCount(in dialect.Incoming) (*chat.Request, error) { return a.decode(in) }

// Count implements dialect.TokenCounter.
func (API) Count(tokens int) []byte {
	return append(strconv.AppendInt([]byte(`{"object":"response.input_tokens","input_tokens":`), int64(tokens), 10), '}')
}
