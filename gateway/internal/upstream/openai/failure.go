package openai

import (
	"bytes"
	"cmp"
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

// complaint is the error as the table judges it; status is 200 for an error inside a
// stream.
func (said apiError) complaint(status int) upstream.Complaint {
	if number, err := strconv.Atoi(said.code); err == nil && status == http.StatusOK && number >= 400 && number < 600 {
		status = number
	}
	names := []string{said.code, said.kind}
	if said.param == "model" {
		names = append(names, aboutModel)
	}
	return upstream.Complaint{Status: status, Names: names, Text: said.message}
}

// refused is the failure of an answer with a status other than 200.
func (a *attempt) refused(ctx context.Context, response *http.Response) *upstream.Failure {
	a.watch.wait(errorBodyTimeout)
	body, err := readAll(io.LimitReader(response.Body, maxErrorBody), response.ContentLength, maxErrorBody)
	if err != nil && a.caller.Err() != nil {
		return a.interrupted(ctx, err, upstream.SignLost)
	}
	said := parseError(body)
	failure := a.failure(response.StatusCode, said)
	if failure.Class.Retryable() {
		failure.RetryAfter = cmp.Or(retryAfter(response.Header, failure.Class == upstream.RateLimit), failure.RetryAfter)
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
	failure := a.failure(http.StatusOK, parseError(object))
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
	failure := failures.Fail(said.complaint(status))
	failure.Status = status
	failure.Code, failure.Message = upstream.CleanMessage(code, secret), upstream.CleanMessage(said.message, secret)
	if failure.Class.Cools() {
		failure.RetryAfter = upstream.WaitInWords(said.message, time.Now())
	}
	return failure
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
