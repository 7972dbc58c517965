package openai

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/wire"
)

const (
	// maxErrorBody and errorBodyTimeout bound what is read of an error's body.
	maxErrorBody     = 64 << 10
	errorBodyTimeout = 10 * time.Second
	// maxCode bounds Failure.Code, Type and Param.
	maxCode = 64
)

// apiError is what an upstream says of a failure. Each has its own form for it.
type apiError struct {
	message, kind, code, param string
	// baseResp: the code is a number of MiniMax's, by whose names nobody else means the
	// same.
	baseResp bool
}

// decisive are the statuses that say what is at fault. With any other, words count first.
var decisive = []int{401, 402, 403, 408, 409, 413, 425, 426, 429, 451}

// inWords tells whether the message says that it is the token's fault.
func (said apiError) inWords() bool {
	words := said.words()
	return quotaWords.MatchString(words) || limitWords.MatchString(words) || keyWords.MatchString(words)
}

// words are as much of the message as is judged: some upstreams repeat the request.
func (said apiError) words() string { return said.message[:min(len(said.message), maxWords)] }

// complaint is the error as the table judges it; status is 200 for an error inside a
// stream. Signs are names that count where nothing else decides.
func (said apiError) complaint(status int, signs ...string) upstream.Complaint {
	if number, _ := strconv.Atoi(said.code); status == http.StatusOK && isStatus(said.code) && (slices.Contains(decisive, number) || !said.inWords()) {
		status = number
	}
	names := append([]string{said.code, said.kind}, signs...)
	if said.baseResp {
		names[0] = aboutBaseResp + said.code
	}
	if said.param == "model" {
		names = append(names, aboutModel)
	}
	return upstream.Complaint{Status: status, Names: names, Text: said.words()}
}

// refused is the failure of an answer with a status other than 200.
func (a *attempt) refused(ctx context.Context, response *http.Response) *upstream.Failure {
	failure, _ := a.refusedSaying(ctx, response)
	return failure
}

// refusedSaying is refused, with the answer's body, as far as it has been read.
func (a *attempt) refusedSaying(ctx context.Context, response *http.Response) (*upstream.Failure, []byte) {
	a.watch.Wait(errorBodyTimeout)
	body, err := wire.ReadRefusal(response, maxErrorBody)
	if err != nil && a.caller.Err() != nil {
		return a.interrupted(ctx, err, upstream.SignLost), nil
	}
	said := parseError(body)
	failure := a.failure(response.StatusCode, said)
	a.quote(failure, body, response.Header)
	if failure.Class.Retryable() {
		failure.RetryAfter = cmp.Or(retryAfter(response.Header, failure.Class == upstream.RateLimit), failure.RetryAfter)
	}
	var encoding wire.PackedError
	switch {
	case said.message != "":
	case errors.As(err, &encoding):
		failure.Message = "the upstream answered with " + statusText(response.StatusCode) + ": " + encoding.Error()
	case response.StatusCode < http.StatusBadRequest:
		failure.Message = "the upstream answered with " + statusText(response.StatusCode) + " instead of an answer: is its base_url right?"
	default:
		failure.Message = "the upstream answered with " + statusText(response.StatusCode)
	}
	return failure, body
}

// quote keeps the upstream's own error object, if the request is at fault and the object is
// whole: clients look for its words.
func (a *attempt) quote(failure *upstream.Failure, body []byte, header http.Header) {
	secret := a.call.Credential.Secret
	switch {
	case failure.Class != upstream.CallerFault && failure.Class != upstream.TooLarge, !hasErrorObject(body):
	case !secret.Empty() && bytes.Contains(body, []byte(secret.Reveal())):
	default:
		failure.Dialect, failure.JSON = cmp.Or(a.speaks, dialect), body
		if id := header.Get("X-Request-Id"); id != "" {
			failure.Header = http.Header{"X-Upstream-Request-Id": {id}}
		}
	}
}

// hasErrorObject tells whether a body is an error in the API's own form.
func hasErrorObject(body []byte) bool {
	s := rawjson.Over(body)
	has := false
	if s.Kind() != rawjson.Object {
		return false
	}
	for ok := s.Object(); ok; ok = s.Member() {
		has = has || string(s.Key()) == "error" && s.Kind() == rawjson.Object
		s.Skip()
	}
	return has && s.End() == nil
}

func statusText(status int) string {
	return strings.TrimSpace("status " + strconv.Itoa(status) + " " + http.StatusText(status))
}

// reported is the failure that an error object, or words, tell of inside an answer with
// status 200. Signs say what is wrong with the answer where they don't.
func (a *attempt) reported(said []byte, signs ...string) *upstream.Failure {
	failure := a.failure(http.StatusOK, parseError(said), signs...)
	if failure.Message == "" {
		failure.Message = "the upstream broke off with an error"
	}
	return failure
}

// brokenOff is the failure of half an answer: what is there may be right, but it is not
// all. The upstream says so in an error, or by a finish reason alone.
func (a *attempt) brokenOff(why []byte) *upstream.Failure {
	said := parseError(why)
	if word := unquoted(why); word != "" {
		said = apiError{message: "the upstream broke off, with the finish_reason " + strconv.Quote(word)}
	}
	failure := a.failure(http.StatusOK, said, upstream.SignCut)
	if failure.Message == "" {
		failure.Message = "the upstream broke off with an error"
	}
	return failure
}

func (a *attempt) failure(status int, said apiError, signs ...string) *upstream.Failure {
	secret := a.call.Credential.Secret
	failure := failures.Fail(said.complaint(status, signs...))
	failure.Status = status
	failure.Type, failure.Param = upstream.CleanMessage(short(said.kind), secret), upstream.CleanMessage(short(said.param), secret)
	failure.Code = cmp.Or(upstream.CleanMessage(short(said.code), secret), failure.Type)
	failure.Message = upstream.CleanMessage(said.message, secret)
	if failure.Class.Cools() {
		failure.RetryAfter = upstream.WaitInWords(said.words(), time.Now())
	}
	return failure
}

// short leaves out what is too long to be a name.
func short(name string) string {
	if len(name) > maxCode {
		return ""
	}
	return name
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
		var size, window string
		for ok := s.Object(); ok; ok = s.Member() {
			switch string(s.Key()) {
			case "n_prompt_tokens":
				size = code(s)
			case "n_ctx":
				window = code(s)
			case "error", "detail", "errors":
				if inner := readError(s, depth+1); inner != (apiError{}) {
					said = inner
				}
			case "base_resp":
				if inner := readError(s, depth+1); inner.message != "" {
					inner.baseResp = true
					said = inner
				}
			case "message":
				if kind := s.Kind(); kind == rawjson.Object || kind == rawjson.Array { // as Mistral has it
					inner := readError(s, depth+1)
					set(&said.message, inner.message)
					set(&said.param, inner.param)
					break
				}
				set(&said.message, text(s))
			case "msg", "error_message", "error_msg", "errmsg", "errorMessage", "status_msg", "error_description":
				set(&said.message, text(s))
			case "type":
				set(&said.kind, text(s))
			case "param":
				set(&said.param, text(s))
			case "loc": // FastAPI's param
				set(&said.param, location(s))
			case "code", "status", "status_code", "error_code", "errcode":
				set(&said.code, code(s))
			default:
				s.Skip()
			}
		}
		if size != "" && window != "" && !strings.Contains(said.message, size) { // llama.cpp's, beside its words
			said.message += ": request (" + size + " tokens) exceeds the available context size (" + window + " tokens)"
		}
		return said
	}
	s.Skip()
	return apiError{}
}

// location consumes a list such as ["body","messages",0,"content"].
func location(s *rawjson.Scanner) string {
	if s.Kind() != rawjson.Array {
		s.Skip()
		return ""
	}
	var place strings.Builder
	for ok := s.Array(); ok; ok = s.Element() {
		switch name := code(s); {
		case name == "body" && place.Len() == 0:
		case isIndex(name):
			place.WriteString("[" + name + "]")
		case name != "" && place.Len() > 0:
			place.WriteString("." + name)
		default:
			place.WriteString(name)
		}
	}
	return place.String()
}

func isIndex(name string) bool {
	_, err := strconv.Atoi(name)
	return err == nil
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

// account is what an object says of a failure by other names than `error`.
type account struct {
	code   string
	words  bool
	denies bool
}

// accountOf reads an object that has no choices, or a part of it.
func accountOf(object []byte) account {
	var said account
	s := rawjson.Over(object)
	if s.Kind() != rawjson.Object {
		return said
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "success":
			said.denies = string(s.Skip()) == "false" || said.denies
		case "type", "object":
			said.denies = text(&s) == "error" || said.denies
		case "detail", "errors", "error_message", "error_msg", "errmsg", "errorMessage":
			said.denies = !blank(s.Skip()) || said.denies
		case "message", "msg", "status_msg":
			said.words = text(&s) != "" || said.words
		case "code", "status_code", "error_code", "errcode":
			set(&said.code, code(&s))
		case "status":
			if word := code(&s); isStatus(word) || slices.Contains([]string{"error", "fail", "failed", "failure"}, strings.ToLower(word)) {
				set(&said.code, word)
			}
		default:
			s.Skip()
		}
	}
	return said
}

// tellsOfFailure tells whether it is more than a sign of life.
func (said account) tellsOfFailure() bool {
	switch strings.ToLower(said.code) {
	case "", "0", "200", "ok", "success":
		return said.denies
	}
	return said.denies || said.words || isStatus(said.code)
}

// isStatus tells whether a code is an HTTP status that speaks of a failure.
func isStatus(code string) bool {
	number, err := strconv.Atoi(code)
	return err == nil && number >= 400 && number < 600
}
