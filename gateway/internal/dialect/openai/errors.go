package openai

import (
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
	// code is for programs.
	code string
}

// The values of `type` that official clients know.
const (
	callerError = "invalid_request_error"
	limitError  = "rate_limit_error"
	serverError = "server_error"
)

// renderings is the one table of errors. A status of 401 or 403 always speaks of
// the client's own key, or of the token that it brought: what the upstream says of
// a pooled token must not look like that.
var renderings = map[chat.Kind]rendering{
	chat.InvalidRequest:      {400, callerError, "invalid_request"},
	chat.EmptyMessages:       {400, callerError, "empty_messages"},
	chat.ContextTooLong:      {400, callerError, "context_length_exceeded"},
	chat.PayloadTooLarge:     {413, callerError, "request_too_large"},
	chat.UnsupportedCoding:   {415, callerError, "unsupported_content_encoding"},
	chat.Unauthenticated:     {401, callerError, "unauthorized"},
	chat.TooManyAttempts:     {429, limitError, "too_many_attempts"},
	chat.Forbidden:           {403, callerError, "forbidden"},
	chat.NotFound:            {404, callerError, "not_found"},
	chat.MethodNotAllowed:    {405, callerError, "method_not_allowed"},
	chat.Conflict:            {409, callerError, "conflict"},
	chat.ModelNotSupported:   {404, callerError, "model_not_supported"},
	chat.ModelNotFound:       {404, callerError, "model_not_found"},
	chat.Unsupported:         {400, callerError, "unsupported_parameter"},
	chat.VisionDisabled:      {400, callerError, "vision_disabled"},
	chat.InvalidImage:        {400, callerError, "invalid_image"},
	chat.AliasNotFound:       {404, callerError, "alias_not_found"},
	chat.OwnTokenRefused:     {401, callerError, "own_token_refused"},
	chat.NoTokens:            {503, serverError, "no_tokens"},
	chat.NoTokenAvailable:    {429, limitError, "no_token_available"},
	chat.RateLimited:         {429, limitError, "rate_limit_exceeded"},
	chat.UpstreamAuth:        {503, serverError, "upstream_auth"},
	chat.UpstreamRejected:    {400, callerError, "upstream_rejected"},
	chat.UpstreamUnavailable: {503, serverError, "request_failed"},
	chat.UpstreamProtocol:    {502, serverError, "request_failed"},
	chat.OutdatedClient:      {502, serverError, "outdated_client"},
	chat.StoreUnavailable:    {503, serverError, "store_unavailable"},
	chat.Overloaded:          {503, serverError, "overloaded"},
	chat.ShuttingDown:        {503, serverError, "shutting_down"},
	chat.Timeout:             {504, serverError, "timeout"},
	chat.Canceled:            {499, callerError, "canceled"},
	chat.Internal:            {500, serverError, "internal_error"},
}

// useless are the kinds that are as they are until somebody has done something, although
// their status is one after which official clients send the request again.
var useless = map[chat.Kind]bool{chat.Conflict: true, chat.NoTokens: true, chat.TooManyAttempts: true}

// ModelParam is the Param of an error about the model that was named.
const ModelParam = "model"

// EncodeError renders any error. One that is no *chat.Error tells the client
// nothing but that. In a stream official SDKs look for the top-level `error` in the data
// of any event, so the event needs no name.
func EncodeError(err error) dialect.Error {
	failure := chat.AsError(err)
	as := render(failure)
	header := http.Header{}
	if wait := retryAfter(failure.RetryAfter); wait != "" {
		header.Set("Retry-After", wait)
	}
	if useless[failure.Kind] {
		header.Set("X-Should-Retry", "false")
	}
	if own := failure.Upstream; isNative(failure) {
		for name, values := range own.Header {
			header[http.CanonicalHeaderKey(name)] = values
		}
		return dialect.Error{Status: own.Status, Header: header, JSON: own.JSON}
	}
	return dialect.Error{Status: as.status, Header: header, JSON: appendError(nil, failure, as)}
}

// isNative tells whether the client gets the upstream's own error as it came: where its
// request is at fault, whatever the upstream calls that. A status of 401 or 403 would speak
// of the client's key.
func isNative(failure *chat.Error) bool {
	own := failure.Upstream
	if own == nil || own.Dialect != Dialect || len(own.JSON) == 0 {
		return false
	}
	switch own.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusTooManyRequests:
		return false
	}
	ours := failure.Kind == chat.UpstreamRejected ||
		failure.Kind == chat.ContextTooLong && own.Code == renderings[chat.ContextTooLong].code // by which clients know it
	return ours && own.Status >= http.StatusBadRequest && own.Status < http.StatusInternalServerError
}

func render(failure *chat.Error) rendering {
	as, known := renderings[failure.Kind]
	if !known {
		return renderings[chat.Internal]
	}
	if own := failure.Upstream; failure.Kind == chat.UpstreamRejected && own != nil && isCode(own.Code) {
		as.code = own.Code // the request is at fault, and clients may know how
	}
	return as
}

// isCode tells whether an upstream's code says more than its type or the status.
func isCode(code string) bool {
	_, err := strconv.Atoi(code)
	return code != "" && code != callerError && err != nil
}

// appendError appends the error object. Official clients expect all four members,
// and ignore those of the pool and the upstream.
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
	dst = rawjson.AppendString(dst, as.code)
	if failure.Pool != nil {
		dst = appendPool(dst, failure.Pool)
	}
	if failure.Upstream != nil {
		dst = appendUpstream(dst, failure.Upstream)
	}
	return append(dst, `}}`...)
}

// appendUpstream says what the upstream itself calls the error. What it says of its own
// token, such as invalid_api_key, stands here and nowhere else: the client's key is
// another.
func appendUpstream(dst []byte, own *chat.UpstreamError) []byte {
	dst = append(dst, `,"upstream":{"status":`...)
	dst = strconv.AppendInt(dst, int64(own.Status), 10)
	for _, each := range []struct{ name, value string }{{"code", own.Code}, {"type", own.Type}, {"param", own.Param}} {
		dst = append(dst, `,"`...)
		dst = append(dst, each.name...)
		dst = append(dst, `":`...)
		if each.value == "" {
			dst = append(dst, "null"...)
		} else {
			dst = rawjson.AppendString(dst, each.value)
		}
	}
	return append(dst, '}')
}

// appendPool says how many tokens there are, and how many can't serve for what.
func appendPool(dst []byte, pool *chat.Pool) []byte {
	dst = append(dst, `,"pool":{"total":`...)
	dst = strconv.AppendInt(dst, int64(pool.Total), 10)
	for _, each := range []struct {
		name  string
		count int
	}{
		{"busy", pool.Busy},
		{"cooling", pool.Cooling},
		{"probing", pool.Probing},
		{"quarantined", pool.Quarantined},
		{"tried", pool.Tried},
		{"parked", pool.Parked},
		{"disabled", pool.Disabled},
		{"expired", pool.Expired},
	} {
		dst = append(dst, `,"`...)
		dst = append(dst, each.name...)
		dst = append(dst, `":`...)
		dst = strconv.AppendInt(dst, int64(each.count), 10)
	}
	return append(dst, '}')
}

// retryAfter rounds up to whole seconds, which is what the header can say.
func retryAfter(wait time.Duration) string {
	if wait <= 0 {
		return ""
	}
	return strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10)
}
