package responses

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/rawjson"
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

// The values of `type` that official clients know.
const (
	callerError = "invalid_request_error"
	limitError  = "rate_limit_error"
	serverError = "server_error"
)

// The codes of a stream's failure by which Codex decides: at the first three and at
// quotaExceeded it gives the turn up, after limitExceeded it waits as long as the message says,
// and after any other it asks again.
const (
	contextExceeded = "context_length_exceeded"
	invalidPrompt   = "invalid_prompt"
	overloaded      = "server_is_overloaded"
	quotaExceeded   = "insufficient_quota"
	limitExceeded   = "rate_limit_exceeded"
)

// renderings is the one table of errors. A status of 401 or 403 always speaks of the client's
// own key, or of the token that it brought: what the upstream says of a pooled token must not
// look like that.
var renderings = map[chat.Kind]rendering{
	chat.InvalidRequest:      {400, callerError, "invalid_request", invalidPrompt},
	chat.EmptyMessages:       {400, callerError, "empty_input", invalidPrompt},
	chat.ContextTooLong:      {400, callerError, contextExceeded, contextExceeded},
	chat.PayloadTooLarge:     {413, callerError, "request_too_large", invalidPrompt},
	chat.UnsupportedCoding:   {415, callerError, "unsupported_content_encoding", invalidPrompt},
	chat.Unauthenticated:     {401, callerError, "unauthorized", invalidPrompt},
	chat.TooManyAttempts:     {429, limitError, "too_many_attempts", invalidPrompt},
	chat.Forbidden:           {403, callerError, "forbidden", invalidPrompt},
	chat.NotFound:            {404, callerError, "not_found", invalidPrompt},
	chat.MethodNotAllowed:    {405, callerError, "method_not_allowed", invalidPrompt},
	chat.Conflict:            {409, callerError, "conflict", invalidPrompt},
	chat.ModelNotSupported:   {404, callerError, "model_not_found", invalidPrompt},
	chat.ModelNotFound:       {404, callerError, "model_not_found", invalidPrompt},
	chat.Unsupported:         {400, callerError, "unsupported_parameter", invalidPrompt},
	chat.VisionDisabled:      {400, callerError, "vision_disabled", invalidPrompt},
	chat.InvalidImage:        {400, callerError, "invalid_image", invalidPrompt},
	chat.AliasNotFound:       {404, callerError, "alias_not_found", invalidPrompt},
	chat.OwnTokenRefused:     {401, callerError, "own_token_refused", invalidPrompt},
	chat.NoTokens:            {503, serverError, overloaded, overloaded},
	chat.NoTokenAvailable:    {429, limitError, limitExceeded, limitExceeded},
	chat.RateLimited:         {429, limitError, limitExceeded, limitExceeded},
	chat.UpstreamAuth:        {503, serverError, "upstream_auth", serverError},
	chat.UpstreamRejected:    {400, callerError, "upstream_rejected", invalidPrompt},
	chat.UpstreamUnavailable: {503, serverError, "request_failed", serverError},
	chat.UpstreamProtocol:    {502, serverError, "request_failed", serverError},
	chat.OutdatedClient:      {502, serverError, "outdated_client", overloaded},
	chat.StoreUnavailable:    {503, serverError, "store_unavailable", serverError},
	chat.Overloaded:          {503, serverError, "overloaded", serverError},
	chat.ShuttingDown:        {503, serverError, "shutting_down", serverError},
	chat.Timeout:             {504, serverError, "timeout", serverError},
	chat.Canceled:            {499, callerError, "canceled", serverError},
	chat.Internal:            {500, serverError, serverError, serverError},
}

// useless are the kinds that are as they are until somebody has done something, although
// their status is one after which official clients send the request again.
var useless = map[chat.Kind]bool{chat.Conflict: true, chat.NoTokens: true, chat.TooManyAttempts: true}

// errUnknownAnswer is the cause of an error about an id of which nothing is kept.
var errUnknownAnswer = errors.New("no answer of that id is kept")

// notKept is the code by which clients know it.
const notKept = "previous_response_not_found"

// renderError renders any error. One that is no *chat.Error tells the client nothing but
// that. In a stream official SDKs look for the top-level `error` in the data of any event.
func renderError(err error) dialect.Error {
	failure := chat.AsError(err)
	as := render(failure)
	header := http.Header{}
	if wait := failure.RetryAfter; wait > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
	if useless[failure.Kind] {
		header.Set("X-Should-Retry", "false")
	}
	out := dialect.Error{Status: as.status, Header: header, Event: "error"}
	if own := failure.Upstream; isNative(failure) {
		for name, values := range own.Header {
			header[http.CanonicalHeaderKey(name)] = values
		}
		out.Status, out.JSON = own.Status, own.JSON
		return out
	}
	out.JSON = appendError(nil, failure, as)
	return out
}

// isNative tells whether the client gets the upstream's own error as it came: where its
// request is at fault, whatever the upstream calls that.
func isNative(failure *chat.Error) bool {
	own := failure.Upstream
	if own == nil || own.Dialect != Dialect || len(own.JSON) == 0 {
		return false
	}
	switch own.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusTooManyRequests:
		return false
	}
	ours := failure.Kind == chat.UpstreamRejected || failure.Kind == chat.ContextTooLong && own.Code == contextExceeded
	return ours && own.Status >= http.StatusBadRequest && own.Status < http.StatusInternalServerError
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
	if own := failure.Upstream; failure.Kind == chat.UpstreamRejected && own != nil && isCode(own.Code) {
		as.code = own.Code // the request is at fault, and clients may know how
		if final[own.Code] {
			as.failed = own.Code
		}
	}
	return as
}

// isCode tells whether an upstream's code says more than its type or the status.
func isCode(code string) bool {
	_, err := strconv.Atoi(code)
	return code != "" && code != callerError && err != nil
}

// appendError appends the error object. Official clients expect all four members.
func appendError(dst []byte, failure *chat.Error, as rendering) []byte {
	dst = append(dst, `{"error":{"message":`...)
	dst = rawjson.AppendString(dst, failure.Message)
	dst = append(dst, `,"type":`...)
	dst = rawjson.AppendString(dst, as.kind)
	dst = append(dst, `,"param":`...)
	if failure.Param == "" {
		dst = append(dst, "null"...)
	} else {
		dst = rawjson.AppendString(dst, failure.Param)
	}
	dst = append(dst, `,"code":`...)
	return append(rawjson.AppendString(dst, as.code), `}}`...)
}
