package grammar

import (
	"fmt"
	"net/http"
)

// messagesErrors are the types of errors that the Messages API knows, with the statuses
// that each fits.
var messagesErrors = map[string]func(status int) bool{
	"authentication_error": only(http.StatusUnauthorized),
	"billing_error":        only(http.StatusPaymentRequired),
	"permission_error":     only(http.StatusForbidden),
	"not_found_error":      only(http.StatusNotFound),
	"conflict_error":       only(http.StatusConflict),
	"request_too_large":    only(http.StatusRequestEntityTooLarge),
	"rate_limit_error":     only(http.StatusTooManyRequests),
	"timeout_error":        only(http.StatusGatewayTimeout),
	"overloaded_error":     only(529),
	"invalid_request_error": func(status int) bool {
		switch status {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestEntityTooLarge,
			http.StatusTooManyRequests:
			return false
		}
		return status < http.StatusInternalServerError
	},
	"api_error": func(status int) bool { return status >= http.StatusInternalServerError && status != 529 },
}

func only(status int) func(int) bool { return func(got int) bool { return got == status } }

// judgeMessagesError judges the error object of an event or a body.
func (v *verdict) judgeMessagesError(body value) {
	v.require(body.get("type").is("error"), ErrorShape, body.get("type"), "type error")
	failure := body.get("error")
	v.require(failure.get("type").filled(), ErrorShape, failure, "an error with a type")
	v.require(failure.get("message").filled(), ErrorShape, failure, "an error with a message")
	if kind := failure.get("type"); kind.filled() {
		v.require(messagesErrors[kind.text] != nil, ErrorType, kind, "a type that the API knows")
	}
}

func (messagesJudge) Error(status int, body []byte, options Options) []Violation {
	v := &verdict{options: options}
	object, ok := v.body(body)
	if !ok {
		return v.violations
	}
	v.judgeMessagesError(object)
	v.require(object.get("request_id").filled(), RequestID, object, "a request_id")
	kind := object.get("error").get("type").text
	fits := messagesErrors[kind]
	if status < http.StatusBadRequest || fits != nil && !fits(status) {
		v.report(ErrorStatus, fmt.Sprintf("status %d with %q", status, kind), "a status that fits the type")
	}
	return v.violations
}

// judgeChatError judges the error object of a frame or a body.
func (v *verdict) judgeChatError(body value) {
	failure := body.get("error")
	v.require(failure.get("message").filled(), ErrorShape, failure, "an error with a message")
	for _, field := range []string{"type", "param", "code"} {
		got := failure.get(field)
		fine := got.kind == isString || got.kind == isNull && field != "type"
		v.require(fine, ErrorShape, got, field+" as a string, or null where there is none")
	}
}

// judgeErrorEvent judges an error event of the Responses API. Vendors also tell it in the form
// of a body.
func (v *verdict) judgeErrorEvent(data value) {
	failure := data
	if nested := data.get("error"); nested.kind == isObject {
		v.report(ErrorFlat, nested.String(), "code, message and param beside the type")
		failure = nested
	}
	v.require(failure.get("message").filled(), ErrorShape, failure, "an error with a message")
	for _, field := range []string{"code", "param"} {
		got := failure.get(field)
		v.require(got.kind == isString || got.kind == isNull, ErrorShape, got, field+" as a string, or null where there is none")
	}
}

func (responsesJudge) Error(status int, body []byte, options Options) []Violation {
	return judgeErrorBody(status, body, options, "output")
}

func (chatJudge) Error(status int, body []byte, options Options) []Violation {
	return judgeErrorBody(status, body, options, "choices")
}

// judgeErrorBody judges an error of one of OpenAI's APIs; answer is the member in which an answer
// stands.
func judgeErrorBody(status int, body []byte, options Options, answer string) []Violation {
	v := &verdict{options: options}
	if object, ok := v.body(body); ok {
		v.judgeChatError(object)
		v.require(object.get(answer).kind == isAbsent, ErrorAlone, object, "the error alone")
	}
	if status < http.StatusBadRequest {
		v.report(ErrorStatus, fmt.Sprintf("an error with status %d", status), "a status from 400")
	}
	return v.violations
}
