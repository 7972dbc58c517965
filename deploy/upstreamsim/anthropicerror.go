package upstreamsim

import "net/http"

// vendorError is an error in Anthropic's form.
type vendorError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// StatusOverloaded is Anthropic's own status.
const StatusOverloaded = 529

// errorTypes are the types of errors by their status.
var errorTypes = map[int]string{
	http.StatusUnauthorized:          "authentication_error",
	http.StatusPaymentRequired:       "billing_error",
	http.StatusForbidden:             "permission_error",
	http.StatusNotFound:              "not_found_error",
	http.StatusConflict:              "conflict_error",
	http.StatusRequestEntityTooLarge: "request_too_large",
	http.StatusTooManyRequests:       "rate_limit_error",
	http.StatusGatewayTimeout:        "timeout_error",
	StatusOverloaded:                 "overloaded_error",
}

// errorTexts are the usual words of a status.
var errorTexts = map[int]string{
	http.StatusBadRequest:            "The simulator was asked to refuse this request.",
	http.StatusUnauthorized:          "invalid x-api-key",
	http.StatusPaymentRequired:       "There is a problem with your billing or payment information.",
	http.StatusForbidden:             "Your API key does not have permission to use the specified resource.",
	http.StatusConflict:              "The request conflicts with the current state of the resource.",
	http.StatusRequestEntityTooLarge: "Request exceeds the maximum size",
	http.StatusTooManyRequests: "This request would exceed your organization's rate limit of 50 requests per minute. " +
		"Please reduce the prompt length or the maximum tokens requested, or try again later.",
	http.StatusGatewayTimeout: "Request timed out",
	StatusOverloaded:          "Overloaded",
}

// vendorErrorOf is the usual error of a status.
func vendorErrorOf(status int, model string) vendorError {
	failure := vendorError{errorTypes[status], errorTexts[status]}
	switch {
	case failure.Type == "" && status >= http.StatusInternalServerError:
		failure.Type = "api_error"
	case failure.Type == "":
		failure.Type = "invalid_request_error"
	}
	switch {
	case status == http.StatusNotFound:
		failure.Message = "model: " + model
	case failure.Message == "" && status >= http.StatusInternalServerError:
		failure.Message = "Internal server error"
	case failure.Message == "":
		failure.Message = http.StatusText(status)
	}
	return failure
}

func invalidRequest(message string) vendorError {
	return vendorError{"invalid_request_error", message}
}

// object is the error as a body or an event's data, with the answer's id.
func (e vendorError) object(requestID string) []byte {
	to := append([]byte(nil), `{"type":"error","error":{"type":"`+e.Type+`","message":`...)
	to = appendQuoted(to, e.Message)
	return append(to, `},"request_id":"`+requestID+`"}`...)
}

// refusals are failures of a request or an account that have words of their own.
var refusals = map[string]struct {
	status int
	vendorError
}{
	"credit-exhausted": {http.StatusBadRequest, invalidRequest("Your credit balance is too low to access the Anthropic API. " +
		"Please go to Plans & Billing to upgrade or purchase credits.")},
	"spend-limit": {http.StatusBadRequest, invalidRequest("You have reached your specified API usage limits. " +
		"You will regain access on 2100-01-01 at 00:00 UTC.")},
	"organization-disabled": {http.StatusForbidden, vendorError{"permission_error", "This organization has been disabled."}},
	"overloaded":            {StatusOverloaded, vendorErrorOf(StatusOverloaded, "")},
}
