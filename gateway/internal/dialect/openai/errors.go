package openai

import (
	"cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/objects"
)

// rendering is how one kind of error looks in this dialect.
type rendering struct {
	status int
	// kind is the error object's `type`: whom the client should look at.
	kind string
	// code is for programs.
	code string
}

// renderings is the one table of errors. A status of 401 or 403 always speaks of
// the client's own key, or of the token that it brought: what the upstream says of
// a pooled token must not look like that.
var renderings = map[chat.Kind]rendering{
	chat.InvalidRequest:      {400, objects.CallerError, "invalid_request"},
	chat.EmptyMessages:       {400, objects.CallerError, "empty_messages"},
	chat.ContextTooLong:      {400, objects.CallerError, objects.ContextExceeded},
	chat.PayloadTooLarge:     {413, objects.CallerError, "request_too_large"},
	chat.UnsupportedCoding:   {415, objects.CallerError, "unsupported_content_encoding"},
	chat.Unauthenticated:     {401, objects.CallerError, "unauthorized"},
	chat.TooManyAttempts:     {429, objects.LimitError, "too_many_attempts"},
	chat.Forbidden:           {403, objects.CallerError, "forbidden"},
	chat.NotFound:            {404, objects.CallerError, "not_found"},
	chat.MethodNotAllowed:    {405, objects.CallerError, "method_not_allowed"},
	chat.Conflict:            {409, objects.CallerError, "conflict"},
	chat.ModelNotSupported:   {404, objects.CallerError, "model_not_supported"},
	chat.ModelNotFound:       {404, objects.CallerError, "model_not_found"},
	chat.Unsupported:         {400, objects.CallerError, "unsupported_parameter"},
	chat.VisionDisabled:      {400, objects.CallerError, "vision_disabled"},
	chat.InvalidImage:        {400, objects.CallerError, "invalid_image"},
	chat.AliasNotFound:       {404, objects.CallerError, "alias_not_found"},
	chat.OwnTokenRefused:     {401, objects.CallerError, "own_token_refused"},
	chat.NoTokens:            {503, objects.ServerError, "no_tokens"},
	chat.NoTokenAvailable:    {429, objects.LimitError, "no_token_available"},
	chat.KeyLimited:          {429, objects.LimitError, "rate_limit_exceeded"},
	chat.KeySpent:            {429, objects.QuotaError, "insufficient_quota"},
	chat.RateLimited:         {429, objects.LimitError, "rate_limit_exceeded"},
	chat.UpstreamAuth:        {503, objects.ServerError, "upstream_auth"},
	chat.UpstreamRejected:    {400, objects.CallerError, "upstream_rejected"},
	chat.UpstreamUnavailable: {503, objects.ServerError, "request_failed"},
	chat.UpstreamProtocol:    {502, objects.ServerError, "request_failed"},
	chat.OutdatedClient:      {502, objects.ServerError, "outdated_client"},
	chat.StoreUnavailable:    {503, objects.ServerError, "store_unavailable"},
	chat.Overloaded:          {503, objects.ServerError, "overloaded"},
	chat.ShuttingDown:        {503, objects.ServerError, "shutting_down"},
	chat.Timeout:             {504, objects.ServerError, "timeout"},
	chat.Canceled:            {499, objects.CallerError, "canceled"},
	chat.Internal:            {500, objects.ServerError, "internal_error"},
}

// ModelParam is the Param of an error about the model that was named.
const ModelParam = "model"

// EncodeError renders any error. One that is no *chat.Error tells the client
// nothing but that. In a stream official SDKs look for the top-level `error` in the data
// of any event, so the event needs no name.
func EncodeError(err error) dialect.Error {
	failure := chat.AsError(err)
	as := render(failure)
	return objects.Error(failure, Dialect, objects.Name{Status: as.status, Type: as.kind, Code: as.code})
}

func render(failure *chat.Error) rendering {
	as, known := renderings[failure.Kind]
	if !known {
		return renderings[chat.Internal]
	}
	as.code = cmp.Or(objects.UpstreamCode(failure), as.code)
	return as
}
