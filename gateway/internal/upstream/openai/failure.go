package openai

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
)

const (
	// maxErrorBody and errorBodyTimeout bound what is read of an error's body.
	maxErrorBody     = 64 << 10
	errorBodyTimeout = 10 * time.Second
	// maxCode bounds Failure.Code.
	maxCode = 64
)

// apiError is what an upstream says of a failure. Each has its own form for it.
type apiError struct {
	message, kind, code, param string
}

// named has the values of `code` and `type` that decide by themselves, whatever
// the status.
var named = map[string]upstream.Class{
	"insufficient_quota":                   upstream.Quota,
	"insufficient_balance":                 upstream.Quota,
	"insufficient_credits":                 upstream.Quota,
	"quota_exceeded":                       upstream.Quota,
	"exceeded_current_quota_error":         upstream.Quota,
	"billing_hard_limit_reached":           upstream.Quota,
	"billing_not_active":                   upstream.Quota,
	"rate_limit_exceeded":                  upstream.RateLimit,
	"rate_limit_reached_error":             upstream.RateLimit,
	"too_many_requests":                    upstream.RateLimit,
	"context_length_exceeded":              upstream.TooLarge,
	"exceed_context_size_error":            upstream.TooLarge,
	"request_too_large":                    upstream.TooLarge,
	"invalid_api_key":                      upstream.Auth,
	"incorrect_api_key_error":              upstream.Auth,
	"invalid_authentication_error":         upstream.Auth,
	"account_deactivated":                  upstream.Auth,
	"token_expired":                        upstream.Auth,
	"model_not_found":                      upstream.ModelNotAllowed, // "… or you do not have access to it"
	"model_access_denied":                  upstream.ModelNotAllowed,
	"unsupported_country_region_territory": upstream.Region,
	"server_overloaded":                    upstream.Broken,
	"overloaded_error":                     upstream.Broken,
	"engine_overloaded":                    upstream.Broken,
	"engine_overloaded_error":              upstream.Broken,
}

// worded has phrases for upstreams that name a prompt's length in the message
// only. They count with a status of 400.
var worded = []struct {
	phrase string
	class  upstream.Class
}{
	{"maximum context length", upstream.TooLarge},
	{"context window", upstream.TooLarge},
	{"prompt is too long", upstream.TooLarge},
}

// statuses decide where no name does.
var statuses = map[int]upstream.Class{
	http.StatusUnauthorized:               upstream.Auth,
	http.StatusPaymentRequired:            upstream.Quota,
	http.StatusForbidden:                  upstream.Auth,
	http.StatusRequestTimeout:             upstream.Broken,
	http.StatusConflict:                   upstream.Broken,
	http.StatusRequestEntityTooLarge:      upstream.TooLarge,
	http.StatusTooEarly:                   upstream.Broken,
	http.StatusTooManyRequests:            upstream.RateLimit,
	http.StatusUnavailableForLegalReasons: upstream.Region,
}

// vague has values of `code` and `type` that decide where there is no status: in
// an error event of a stream that began well.
var vague = map[string]upstream.Class{
	"rate_limit_error":      upstream.RateLimit,
	"requests":              upstream.RateLimit,
	"tokens":                upstream.RateLimit,
	"authentication_error":  upstream.Auth,
	"permission_error":      upstream.Auth,
	"invalid_request_error": upstream.CallerFault,
}

// classify is the one table of the upstream's errors. status is 0 where there is
// none of its own.
func classify(status int, said apiError) upstream.Class {
	for _, name := range []string{said.code, said.kind} {
		if class, known := named[strings.ToLower(name)]; known {
			return class
		}
	}
	if code, err := strconv.Atoi(said.code); err == nil && status == 0 && code >= 400 && code < 600 {
		status = code
	}
	switch class, known := statuses[status]; {
	case status == 0:
		return byVagueName(said)
	case status == http.StatusForbidden && said.param == "model":
		return upstream.ModelNotAllowed
	case known:
		return class
	case status >= 400 && status < 500:
		return byWords(said.message)
	default:
		return upstream.Broken // also a redirect: keys are not sent elsewhere
	}
}

func byVagueName(said apiError) upstream.Class {
	for _, name := range []string{said.code, said.kind} {
		if class, known := vague[strings.ToLower(name)]; known {
			if class == upstream.CallerFault {
				return byWords(said.message)
			}
			return class
		}
	}
	return upstream.Broken
}

func byWords(message string) upstream.Class {
	message = strings.ToLower(message)
	for _, row := range worded {
		if strings.Contains(message, row.phrase) {
			return row.class
		}
	}
	return upstream.CallerFault
}

// refused is the failure of an answer with a status other than 200.
func (a *attempt) refused(ctx context.Context, response *http.Response) *upstream.Failure {
	a.watch.wait(errorBodyTimeout)
	body, err := readAll(io.LimitReader(response.Body, maxErrorBody), response.ContentLength, maxErrorBody)
	if err != nil && a.caller.Err() != nil {
		return a.interrupted(ctx, err, upstream.Broken)
	}
	said := parseError(body)
	failure := a.failure(response.StatusCode, said)
	if failure.Class.Retryable() {
		failure.RetryAfter = retryAfter(response.Header, failure.Class == upstream.RateLimit)
	}
	switch {
	case said.message != "":
	case response.StatusCode < http.StatusBadRequest:
		failure.Message = "the upstream answered with " + statusText(response.StatusCode) + " instead of an answer: is its base_url right?"
	default:
		failure.Message = "the upstream answered with " + statusText(response.StatusCode)
	}
	return failure
}

func statusText(status int) string {
	return strings.TrimSpace("status " + strconv.Itoa(status) + " " + http.StatusText(status))
}

// reported is the failure that an error object tells of inside an answer with
// status 200.
func (a *attempt) reported(object []byte) *upstream.Failure {
	failure := a.failure(0, parseError(object))
	if failure.Message == "" {
		failure.Message = "the upstream broke off with an error"
	}
	return failure
}

func (a *attempt) failure(status int, said apiError) *upstream.Failure {
	secret := a.call.Credential.Secret
	code := said.code
	if code == "" {
		code = said.kind
	}
	if len(code) > maxCode {
		code = ""
	}
	return &upstream.Failure{
		Class: classify(status, said), Status: status,
		Code: upstream.CleanMessage(code, secret), Message: upstream.CleanMessage(said.message, secret),
	}
}

// parseError reads an error in the forms that upstreams have: OpenAI's object,
// the same without its wrapper (vLLM) or in a list (Gemini), a bare string
// (Ollama), a `detail` (FastAPI), or plain text (proxies). Of a page and of half
// an object nothing is told.
func parseError(body []byte) apiError {
	s := rawjson.Over(body)
	said := readError(&s, 0)
	if s.End() == nil {
		return said
	}
	if words := bytes.TrimSpace(body); len(words) > 0 && bytes.IndexByte([]byte("<{["), words[0]) < 0 {
		return apiError{message: string(words)}
	}
	return apiError{}
}

// maxWrapping bounds how deep an error's wrappers are followed.
const maxWrapping = 4

func readError(s *rawjson.Scanner, depth int) (said apiError) {
	switch kind := s.Kind(); {
	case kind == rawjson.String:
		return apiError{message: s.Text()}
	case depth > maxWrapping:
	case kind == rawjson.Array:
		for ok := s.Array(); ok; ok = s.Element() {
			if inner := readError(s, depth+1); said == (apiError{}) {
				said = inner
			}
		}
		return said
	case kind == rawjson.Object:
		for ok := s.Object(); ok; ok = s.Member() {
			switch string(s.Key()) {
			case "error", "detail", "errors":
				if inner := readError(s, depth+1); inner != (apiError{}) {
					said = inner
				}
			case "message", "msg":
				set(&said.message, text(s))
			case "type":
				set(&said.kind, text(s))
			case "param":
				set(&said.param, text(s))
			case "code", "status":
				set(&said.code, code(s))
			default:
				s.Skip()
			}
		}
		return said
	}
	s.Skip()
	return apiError{}
}

// set keeps what was there first.
func set(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// code consumes a string or a number.
func code(s *rawjson.Scanner) string {
	if s.Kind() == rawjson.Number {
		return string(s.Skip())
	}
	return text(s)
}
