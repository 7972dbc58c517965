// Package objects writes the JSON objects that OpenAI's APIs have in common: an error, a model,
// a list of models. What each kind of error is called is an API's own table.
package objects

import (
	"net/http"
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/rawjson"
)

// Name is what an API calls an error.
type Name struct {
	// Status is the answer's.
	Status int
	// Type is whom the client should look at; Code is for programs.
	Type, Code string
}

// The values of Type that official clients know.
const (
	CallerError = "invalid_request_error"
	LimitError  = "rate_limit_error"
	ServerError = "server_error"
	// QuotaError is of what only its owner can do something about, or time.
	QuotaError = "insufficient_quota"
)

// ContextExceeded is the Code by which clients know that a prompt is too long.
const ContextExceeded = "context_length_exceeded"

// useless are the kinds that are as they are until somebody has done something, although
// their status is one after which official clients send the request again.
var useless = map[chat.Kind]bool{chat.Conflict: true, chat.NoTokens: true, chat.TooManyAttempts: true, chat.KeySpent: true}

// Error renders an error by the name that the API has for it. api is that dialect's name: what an
// upstream of the same says of a request that is at fault goes on as it came.
func Error(failure *chat.Error, api string, as Name) dialect.Error {
	header := http.Header{}
	dialect.SetRetryAfter(header, failure.RetryAfter)
	if useless[failure.Kind] || failure.NeverFits() {
		header.Set("X-Should-Retry", "false")
	}
	if own := failure.Upstream; isNative(failure, api) {
		for name, values := range own.Header {
			header[http.CanonicalHeaderKey(name)] = values
		}
		return dialect.Error{Status: own.Status, Header: header, JSON: own.JSON}
	}
	return dialect.Error{Status: as.Status, Header: header, JSON: appendError(nil, failure, as)}
}

// isNative tells whether the client gets the upstream's own error as it came: where its
// request is at fault, whatever the upstream calls that. A status of 401 or 403 would speak
// of the client's key.
func isNative(failure *chat.Error, api string) bool {
	own := failure.Upstream
	if own == nil || own.Dialect != api || len(own.JSON) == 0 {
		return false
	}
	switch own.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusTooManyRequests:
		return false
	}
	ours := failure.Kind == chat.UpstreamRejected || failure.Kind == chat.ContextTooLong && own.Code == ContextExceeded
	return ours && own.Status >= http.StatusBadRequest && own.Status < http.StatusInternalServerError
}

// UpstreamCode is the upstream's own code for a request that is at fault, by which clients may
// know how; empty: it has said none.
func UpstreamCode(failure *chat.Error) string {
	if own := failure.Upstream; failure.Kind == chat.UpstreamRejected && own != nil && isCode(own.Code) {
		return own.Code
	}
	return ""
}

// isCode tells whether an upstream's code says more than its type or the status.
func isCode(code string) bool {
	_, err := strconv.Atoi(code)
	return code != "" && code != CallerError && err != nil
}

// appendError appends the error object. Official clients expect all four members,
// and ignore those of the pool and the upstream.
func appendError(dst []byte, failure *chat.Error, as Name) []byte {
	dst = append(dst, `{"error":{"message":`...)
	dst = rawjson.AppendString(dst, failure.Message)
	dst = append(dst, `,"type":`...)
	dst = rawjson.AppendString(dst, as.Type)
	dst = append(dst, `,"param":`...)
	if failure.Param == "" {
		dst = append(dst, "null"...)
	} else {
		dst = rawjson.AppendString(dst, failure.Param)
	}
	dst = append(dst, `,"code":`...)
	dst = rawjson.AppendString(dst, as.Code)
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
