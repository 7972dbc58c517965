package anthropic

import (
	"net/http"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/rawjson"
)

// rendering is how one kind of error looks in this dialect.
type rendering struct {
	status int
	kind   string // the error's type
	retry  retry
}

// retry tells a client whether to send the request again, against its own rules.
type retry string

const (
	asUsual  retry = ""
	useless  retry = "false"
	worthIt  retry = "true"
	overload       = 529 // the vendor's own status
)

// The types of errors.
const (
	invalidRequest = "invalid_request_error"
	authentication = "authentication_error"
	permission     = "permission_error"
	notFound       = "not_found_error"
	conflict       = "conflict_error"
	tooLarge       = "request_too_large"
	rateLimit      = "rate_limit_error"
	timeout        = "timeout_error"
	overloaded     = "overloaded_error"
	apiError       = "api_error"
)

// renderings is the one table of errors. A status of 401 to 403 always speaks of the
// client's own key, or of the token that it brought: at what the upstream says of a pooled
// token a client would log its user out.
var renderings = map[chat.Kind]rendering{
	chat.InvalidRequest:      {400, invalidRequest, asUsual},
	chat.EmptyMessages:       {400, invalidRequest, asUsual},
	chat.ContextTooLong:      {400, invalidRequest, asUsual},
	chat.PayloadTooLarge:     {413, tooLarge, asUsual},
	chat.UnsupportedCoding:   {415, invalidRequest, asUsual},
	chat.Unauthenticated:     {401, authentication, asUsual},
	chat.TooManyAttempts:     {429, rateLimit, useless},
	chat.Forbidden:           {403, permission, asUsual},
	chat.NotFound:            {404, notFound, asUsual},
	chat.MethodNotAllowed:    {405, invalidRequest, asUsual},
	chat.Conflict:            {409, conflict, useless},
	chat.ModelNotSupported:   {404, notFound, asUsual},
	chat.ModelNotFound:       {404, notFound, asUsual},
	chat.Unsupported:         {400, invalidRequest, asUsual},
	chat.VisionDisabled:      {400, invalidRequest, asUsual},
	chat.InvalidImage:        {400, invalidRequest, asUsual},
	chat.AliasNotFound:       {404, notFound, asUsual},
	chat.OwnTokenRefused:     {401, authentication, asUsual},
	chat.NoTokens:            {503, apiError, useless},
	chat.NoTokenAvailable:    {429, rateLimit, asUsual},
	chat.KeyLimited:          {429, rateLimit, asUsual},
	chat.KeySpent:            {429, rateLimit, useless},
	chat.RateLimited:         {429, rateLimit, asUsual},
	chat.UpstreamAuth:        {503, apiError, asUsual},
	chat.UpstreamRejected:    {400, invalidRequest, asUsual},
	chat.UpstreamUnavailable: {503, apiError, asUsual},
	chat.UpstreamProtocol:    {502, apiError, asUsual},
	chat.OutdatedClient:      {502, apiError, useless},
	chat.StoreUnavailable:    {503, apiError, asUsual},
	chat.Overloaded:          {overload, overloaded, asUsual},
	chat.ShuttingDown:        {503, apiError, worthIt},
	chat.Timeout:             {504, timeout, asUsual},
	chat.Canceled:            {499, invalidRequest, asUsual},
	chat.Internal:            {500, apiError, asUsual},
}

// ofStatus are the types of statuses that have one of their own.
var ofStatus = map[int]string{
	401: authentication, 403: permission, 404: notFound, 409: conflict, 413: tooLarge, 429: rateLimit, 504: timeout, overload: overloaded,
}

// renderError renders any error. Of one that is no *chat.Error the client is told nothing
// but that.
func renderError(err error, requestID string) dialect.Error {
	failure := chat.AsError(err)
	as := render(failure)
	header := http.Header{}
	out := dialect.Error{Status: as.status, Header: header, Event: "error"}
	if own := failure.Upstream; isNative(failure) {
		for name, values := range own.Header {
			header[http.CanonicalHeaderKey(name)] = values
		}
		out.JSON = own.JSON
	} else {
		out.JSON = appendError(nil, as.kind, words(failure), requestID)
	}
	dialect.SetRetryAfter(header, failure.RetryAfter) // the pool's word, not that of one of its tokens
	switch {
	case failure.NeverFits():
		header.Set("X-Should-Retry", string(useless))
	case as.retry != asUsual:
		header.Set("X-Should-Retry", string(as.retry))
	}
	return out
}

func appendError(dst []byte, kind, message, requestID string) []byte {
	dst = append(dst, `{"type":"error","error":{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","message":`...)
	dst = rawjson.AppendString(dst, message)
	dst = append(dst, `},"request_id":`...)
	dst = rawjson.AppendString(dst, requestID)
	return append(dst, '}')
}

// isNative tells whether the client may see the upstream's error as it came: clients look
// for the vendor's words. Not where it is about a pooled token, whatever its status.
func isNative(failure *chat.Error) bool {
	own := failure.Upstream
	if own == nil || own.Dialect != Dialect || len(own.JSON) == 0 {
		return false
	}
	switch status := statusOf(own); failure.Kind {
	case chat.UpstreamRejected, chat.ContextTooLong, chat.ModelNotFound, chat.ModelNotSupported:
		return status >= 400 && status < 500 && !aboutToken(status)
	case chat.RateLimited:
		return status == http.StatusTooManyRequests
	case chat.UpstreamUnavailable, chat.UpstreamProtocol, chat.Timeout:
		return status >= 500
	default:
		return false
	}
}

func aboutToken(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusPaymentRequired || status == http.StatusForbidden
}

// statusOf is the status of an upstream's error; one inside an answer is told by its type.
func statusOf(own *chat.UpstreamError) int {
	if own.Status >= 400 {
		return own.Status
	}
	for status, kind := range ofStatus {
		if kind == own.Type {
			return status
		}
	}
	switch own.Type {
	case invalidRequest:
		return http.StatusBadRequest
	case apiError:
		return http.StatusInternalServerError
	}
	return own.Status
}

func render(failure *chat.Error) rendering {
	as, known := renderings[failure.Kind]
	if !known {
		return renderings[chat.Internal]
	}
	own := failure.Upstream
	if own == nil {
		return as
	}
	status := statusOf(own)
	switch {
	case isNative(failure):
		as.status, as.kind = status, typeOf(status, as.kind)
	case failure.Kind == chat.UpstreamRejected && status >= 400 && status < 500 && !aboutToken(status):
		as.status, as.kind = status, typeOf(status, as.kind)
		if status == http.StatusConflict || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout {
			as.retry = useless // it is about the request
		}
	case failure.Kind == chat.UpstreamUnavailable && isOverloaded(failure):
		as.status, as.kind = overload, overloaded
	}
	return as
}

func typeOf(status int, usual string) string {
	if kind, known := ofStatus[status]; known {
		return kind
	}
	return usual
}

// isOverloaded tells whether it is the service that has too much to do. Not every upstream
// has a name for that.
func isOverloaded(failure *chat.Error) bool {
	own := failure.Upstream
	return own.Status == overload || strings.Contains(strings.ToLower(own.Type+" "+own.Code+" "+failure.Message), "overloaded")
}

// words are what the client is told, in the vendor's words where clients look for those.
func words(failure *chat.Error) string {
	switch message := failure.Message; {
	case failure.Kind == chat.ContextTooLong:
		return overflow(message)
	case isAboutModel(failure) && !strings.HasPrefix(message, modelField+":"):
		return modelField + ": " + message
	case failure.Kind == chat.Unsupported && capability(failure.Param) != "":
		return "capability_rejected: " + capability(failure.Param) + ": " + message
	default:
		return message
	}
}

func isAboutModel(failure *chat.Error) bool {
	return failure.Kind == chat.ModelNotFound || failure.Kind == chat.ModelNotSupported
}

// capability is the name of what was refused, where it is one that a client can do without:
// a field that shapes the answer, and no part of the conversation. At this sign clients leave
// it out and ask again.
func capability(field string) string {
	name, _, _ := strings.Cut(field, ".")
	if name == listNames[messages] || name == listNames[system] {
		return ""
	}
	return name
}
