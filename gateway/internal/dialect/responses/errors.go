package responses

import (
	"errors"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/objects"
)

// rendering is how one kind of error looks in this dialect.
type rendering struct {
	status int
	// kind is the error object's `type`: whom the client should look at.
	kind string
	// code is for programs, where the error is an HTTP answer; failed, where it is the end of a
	// stream.
	code, failed string
}

// The codes of a stream's failure by which Codex decides: at the first three and at
// quotaExceeded it gives the turn up, after limitExceeded it waits as long as the message says,
// and after any other it asks again.
const (
	contextExceeded = objects.ContextExceeded
	invalidPrompt   = "invalid_prompt"
	overloaded      = "server_is_overloaded"
	quotaExceeded   = "insufficient_quota"
	limitExceeded   = "rate_limit_exceeded"
	serverError     = "server_error"
)

// renderings is the one table of errors. A status of 401 or 403 always speaks of the client's
// own key, or of the token that it brought: what the upstream says of a pooled token must not
// look like that.
var renderings = map[chat.Kind]rendering{
	chat.InvalidRequest:      {400, objects.CallerError, "invalid_request", invalidPrompt},
	chat.EmptyMessages:       {400, objects.CallerError, "empty_input", invalidPrompt},
	chat.ContextTooLong:      {400, objects.CallerError, contextExceeded, contextExceeded},
	chat.PayloadTooLarge:     {413, objects.CallerError, "request_too_large", invalidPrompt},
	chat.UnsupportedCoding:   {415, objects.CallerError, "unsupported_content_encoding", invalidPrompt},
	chat.Unauthenticated:     {401, objects.CallerError, "unauthorized", invalidPrompt},
	chat.TooManyAttempts:     {429, objects.LimitError, "too_many_attempts", invalidPrompt},
	chat.Forbidden:           {403, objects.CallerError, "forbidden", invalidPrompt},
	chat.NotFound:            {404, objects.CallerError, "not_found", invalidPrompt},
	chat.MethodNotAllowed:    {405, objects.CallerError, "method_not_allowed", invalidPrompt},
	chat.Conflict:            {409, objects.CallerError, "conflict", invalidPrompt},
	chat.ModelNotSupported:   {404, objects.CallerError, "model_not_found", invalidPrompt},
	chat.ModelNotFound:       {404, objects.CallerError, "model_not_found", invalidPrompt},
	chat.Unsupported:         {400, objects.CallerError, "unsupported_parameter", invalidPrompt},
	chat.VisionDisabled:      {400, objects.CallerError, "vision_disabled", invalidPrompt},
	chat.InvalidImage:        {400, objects.CallerError, "invalid_image", invalidPrompt},
	chat.AliasNotFound:       {404, objects.CallerError, "alias_not_found", invalidPrompt},
	chat.OwnTokenRefused:     {401, objects.CallerError, "own_token_refused", invalidPrompt},
	chat.NoTokens:            {503, objects.ServerError, overloaded, overloaded},
	chat.NoTokenAvailable:    {429, objects.LimitError, limitExceeded, limitExceeded},
	chat.KeyLimited:          {429, objects.LimitError, limitExceeded, limitExceeded},
	chat.KeySpent:            {429, objects.QuotaError, quotaExceeded, quotaExceeded},
	chat.RateLimited:         {429, objects.LimitError, limitExceeded, limitExceeded},
	chat.UpstreamAuth:        {503, objects.ServerError, "upstream_auth", serverError},
	chat.UpstreamRejected:    {400, objects.CallerError, "upstream_rejected", invalidPrompt},
	chat.UpstreamUnavailable: {503, objects.ServerError, "request_failed", serverError},
	chat.UpstreamProtocol:    {502, objects.ServerError, "request_failed", serverError},
	chat.OutdatedClient:      {502, objects.ServerError, "outdated_client", overloaded},
	chat.StoreUnavailable:    {503, objects.ServerError, "store_unavailable", serverError},
	chat.Overloaded:          {503, objects.ServerError, "overloaded", serverError},
	chat.ShuttingDown:        {503, objects.ServerError, "shutting_down", serverError},
	chat.Timeout:             {504, objects.ServerError, "timeout", serverError},
	chat.Canceled:            {499, objects.CallerError, "canceled", serverError},
	chat.Internal:            {500, objects.ServerError, serverError, serverError},
}

// errUnknownAnswer is the cause of an error about an id of which nothing is kept.
var errUnknownAnswer = errors.New("no answer of that id is kept")

// notKept is the code by which clients know it.
const notKept = "previous_response_not_found"

// renderError renders any error. One that is no *chat.Error tells the client nothing but
// that. In a stream official SDKs look for the top-level `error` in the data of any event.
func renderError(err error) dialect.Error {
	failure := chat.AsError(err)
	as := render(failure)
	out := objects.Error(failure, Dialect, objects.Name{Status: as.status, Type: as.kind, Code: as.code})
	out.Event = "error"
	return out
}

// final are upstreams' codes after which Codex does not ask again.
var final = map[string]bool{
	contextExceeded: true, invalidPrompt: true, quotaExceeded: true, "usage_not_included": true, "cyber_policy": true, "bio_policy": true,
}

func render(failure *chat.Error) rendering {
	as, known := renderings[failure.Kind]
	if !known {
		return renderings[chat.Internal]
	}
	if errors.Is(failure, errUnknownAnswer) {
		as.code = notKept
	}
	if own := objects.UpstreamCode(failure); own != "" {
		as.code = own
		if final[own] {
			as.failed = own
		}
	}
	return as
}
