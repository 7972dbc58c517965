package upstreamsim

import (
	"encoding/json"
	"net/http"
)

// apiError is an error in OpenAI's form.
type apiError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func (e apiError) body() map[string]apiError { return map[string]apiError{"error": e} }

// quotaVariant is a 429 that waiting doesn't end.
const quotaVariant = "quota"

// statusError is the usual error of an HTTP status.
func statusError(status int, variant string) apiError {
	failure := func(message, kind, code string) apiError {
		if code == "" {
			return apiError{Message: message, Type: kind}
		}
		return apiError{Message: message, Type: kind, Code: &code}
	}
	switch status {
	case http.StatusBadRequest:
		return failure("The simulator was asked to refuse this request.", "invalid_request_error", "")
	case http.StatusUnauthorized:
		return failure("Incorrect API key provided.", "invalid_request_error", "invalid_api_key")
	case http.StatusPaymentRequired:
		return failure("Insufficient Balance", "unknown_error", "invalid_request_error")
	case http.StatusForbidden:
		return failure("Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory")
	case http.StatusNotFound:
		return failure("The model does not exist or you do not have access to it.", "invalid_request_error", "model_not_found")
	case http.StatusTooManyRequests:
		if variant == quotaVariant {
			return failure("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", "insufficient_quota")
		}
		return failure("Rate limit reached for requests.", "requests", "rate_limit_exceeded")
	case http.StatusServiceUnavailable:
		return failure("The engine is currently overloaded, please try again later.", "server_error", "")
	default:
		if status < http.StatusInternalServerError {
			return failure(http.StatusText(status), "invalid_request_error", "")
		}
		return failure("The server had an error while processing your request.", "server_error", "")
	}
}

// contextLength is a refusal for which the token is not to blame.
func contextLength() apiError {
	code, param := "context_length_exceeded", "messages"
	return apiError{
		Message: "This model's maximum context length is 8192 tokens. Please reduce the length of the messages.",
		Type:    "invalid_request_error", Param: &param, Code: &code,
	}
}

func (x *exchange) fail(status int, failure apiError) error {
	body, err := json.Marshal(failure.body())
	if err != nil {
		return err
	}
	return x.answerWhole(status, "application/json", body)
}

func (x *exchange) failStatus(status int) error {
	return x.fail(status, statusError(status, ""))
}

func writeError(w http.ResponseWriter, status int, failure apiError) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(failure.body()) // the client may be gone
}

// windowExceeded is OpenAI's refusal of what is longer than the model's window.
func windowExceeded(window, prompt, limit int) *rejection {
	if limit == 0 {
		return rejected("messages", "context_length_exceeded", "This model's maximum context length is %d tokens. However, your messages resulted in %d tokens."+
			" Please reduce the length of the messages.", window, prompt)
	}
	return rejected("messages", "context_length_exceeded", "This model's maximum context length is %d tokens. However, you requested %d tokens"+
		" (%d in the messages, %d in the completion). Please reduce the length of the messages or completion.", window, prompt+limit, prompt, limit)
}
