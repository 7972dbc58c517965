package upstreamsim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"

	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// Two errors as the real upstream sends them.
const (
	notLoggedIn = `{"error":{"code":"unauthenticated","message":"Error","details":[{"type":"aiserver.v1.ErrorDetails",` +
		`"debug":{"error":"ERROR_NOT_LOGGED_IN","details":{"title":"Not logged in.",` +
		`"detail":"Not logged in. If you are logged in, try logging out and back in.","isRetryable":false},"isExpected":true},` +
		`"value":"CAISVQoOTm90IGxvZ2dlZCBpbi4SQU5vdCBsb2dnZWQgaW4uIElmIHlvdSBhcmUgbG9nZ2VkIGluLCB0cnkgbG9nZ2luZyBvdXQgYW5kIGJhY2sgaW4uIAAYAQ"}]}}`
	// updateRequired has its keys in another order and no isRetryable.
	updateRequired = `{"error":{"details":[{"value":` +
		`"CBwSlQEKD1VwZGF0ZSBSZXF1aXJlZBJ3WW91ciB2ZXJzaW9uIG9mIEN1cnNvciBpcyBubyBsb25nZXIgc3VwcG9ydGVkLiBQbGVhc2UgdXBkYXRlIHRvIHRoZSBsYXRlc3QgdmVyc2lvbiBhdCBjdXJzb3IuY29tL2Rvd25sb2FkcyB0byBjb250aW51ZS5SCQoHcGF5bWVudBgB",` +
		`"debug":{"isExpected":true,"error":"ERROR_GPT_4_VISION_PREVIEW_RATE_LIMIT","details":{"title":"Update Required",` +
		`"detail":"Your version of Cursor is no longer supported. Please update to the latest version at cursor.com/downloads to continue."}},` +
		`"type":"aiserver.v1.ErrorDetails"}],"message":"Error","code":"resource_exhausted"}}`
)

const success = `{}`

// endJSON is an end frame's payload, and connectError also the body of HTTP errors.
type endJSON struct {
	Error connectError `json:"error"`
}

type connectError struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Details *[]errorDetail `json:"details,omitempty"` // an empty list is written
}

type errorDetail struct {
	Type  string      `json:"type"`
	Debug *errorDebug `json:"debug,omitempty"`
	Value string      `json:"value"`
}

type errorDebug struct {
	Error   string `json:"error"`
	Details struct {
		Title       string `json:"title"`
		Detail      string `json:"detail"`
		IsRetryable bool   `json:"isRetryable"`
	} `json:"details"`
	IsExpected bool `json:"isExpected"`
}

// errorTrailer is the end frame's payload for an enum number. The variants are
// those of errorForm.
func errorTrailer(number int, variant string) ([]byte, error) {
	if variant == "" || variant == "gzip" {
		switch aiserverv1.ErrorDetails_Error(number) { //nolint:gosec,exhaustive // 0 to 999; the rest is below
		case aiserverv1.ErrorDetails_ERROR_NOT_LOGGED_IN:
			return []byte(notLoggedIn), nil
		case aiserverv1.ErrorDetails_ERROR_GPT_4_VISION_PREVIEW_RATE_LIMIT:
			return []byte(updateRequired), nil
		}
	}
	enum := aiserverv1.ErrorDetails_Error(number) //nolint:gosec // 0 to 999
	failure := connectError{Code: connectCode(enum), Message: "Error", Details: &[]errorDetail{}}
	if variant != "empty-details" {
		detail, err := detailOf(enum)
		if err != nil {
			return nil, err
		}
		if variant == "no-debug" {
			detail.Debug = nil
		}
		failure.Details = &[]errorDetail{detail}
	}
	return json.Marshal(endJSON{failure})
}

// bareTrailer is an error without details.
func bareTrailer(code string) ([]byte, error) {
	return json.Marshal(endJSON{connectError{Code: code, Message: "Error"}})
}

func detailOf(enum aiserverv1.ErrorDetails_Error) (errorDetail, error) {
	name := enum.String() // the number for those without a name
	debug := &errorDebug{Error: name, IsExpected: true}
	debug.Details.Title = strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "ERROR_"), "_", " "))
	debug.Details.Detail = fmt.Sprintf("The simulator was asked for error %d.", int(enum))
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(&aiserverv1.ErrorDetails{
		Error: enum,
		Details: &aiserverv1.CustomErrorDetails{
			Title: debug.Details.Title, Detail: debug.Details.Detail, IsRetryable: proto.Bool(false),
		},
		IsExpected: proto.Bool(true),
	})
	return errorDetail{
		Type: "aiserver.v1.ErrorDetails", Debug: debug, Value: base64.RawStdEncoding.EncodeToString(value),
	}, err
}

// connectCode is the Connect code that comes with an enum value.
func connectCode(enum aiserverv1.ErrorDetails_Error) string {
	switch enum {
	case aiserverv1.ErrorDetails_ERROR_BAD_API_KEY, aiserverv1.ErrorDetails_ERROR_NOT_LOGGED_IN,
		aiserverv1.ErrorDetails_ERROR_INVALID_AUTH_ID, aiserverv1.ErrorDetails_ERROR_AUTH_TOKEN_NOT_FOUND,
		aiserverv1.ErrorDetails_ERROR_AUTH_TOKEN_EXPIRED, aiserverv1.ErrorDetails_ERROR_UNAUTHORIZED,
		aiserverv1.ErrorDetails_ERROR_BAD_USER_API_KEY, aiserverv1.ErrorDetails_ERROR_GITHUB_NO_USER_CREDENTIALS:
		return "unauthenticated"
	case aiserverv1.ErrorDetails_ERROR_NOT_HIGH_ENOUGH_PERMISSIONS, aiserverv1.ErrorDetails_ERROR_TASK_NO_PERMISSIONS,
		aiserverv1.ErrorDetails_ERROR_AGENT_REQUIRES_LOGIN, aiserverv1.ErrorDetails_ERROR_PRO_USER_ONLY,
		aiserverv1.ErrorDetails_ERROR_GITHUB_USER_NO_ACCESS, aiserverv1.ErrorDetails_ERROR_GITHUB_APP_NO_ACCESS,
		aiserverv1.ErrorDetails_ERROR_HOOKS_BLOCKED:
		return "permission_denied"
	case aiserverv1.ErrorDetails_ERROR_FREE_USER_RATE_LIMIT_EXCEEDED, aiserverv1.ErrorDetails_ERROR_PRO_USER_RATE_LIMIT_EXCEEDED,
		aiserverv1.ErrorDetails_ERROR_FREE_USER_USAGE_LIMIT, aiserverv1.ErrorDetails_ERROR_PRO_USER_USAGE_LIMIT,
		aiserverv1.ErrorDetails_ERROR_OPENAI_RATE_LIMIT_EXCEEDED, aiserverv1.ErrorDetails_ERROR_OPENAI_ACCOUNT_LIMIT_EXCEEDED,
		aiserverv1.ErrorDetails_ERROR_MAX_TOKENS, aiserverv1.ErrorDetails_ERROR_GENERIC_RATE_LIMIT_EXCEEDED,
		aiserverv1.ErrorDetails_ERROR_GPT_4_VISION_PREVIEW_RATE_LIMIT, aiserverv1.ErrorDetails_ERROR_API_KEY_RATE_LIMIT,
		aiserverv1.ErrorDetails_ERROR_DEBOUNCED, aiserverv1.ErrorDetails_ERROR_RESOURCE_EXHAUSTED,
		aiserverv1.ErrorDetails_ERROR_USAGE_PRICING_REQUIRED, aiserverv1.ErrorDetails_ERROR_USAGE_PRICING_REQUIRED_CHANGEABLE,
		aiserverv1.ErrorDetails_ERROR_RATE_LIMITED, aiserverv1.ErrorDetails_ERROR_RATE_LIMITED_CHANGEABLE:
		return "resource_exhausted"
	case aiserverv1.ErrorDetails_ERROR_BAD_MODEL_NAME, aiserverv1.ErrorDetails_ERROR_API_KEY_NOT_SUPPORTED,
		aiserverv1.ErrorDetails_ERROR_SLASH_EDIT_FILE_TOO_LONG, aiserverv1.ErrorDetails_ERROR_FILE_UNSUPPORTED,
		aiserverv1.ErrorDetails_ERROR_CLAUDE_IMAGE_TOO_LARGE, aiserverv1.ErrorDetails_ERROR_BAD_REQUEST,
		aiserverv1.ErrorDetails_ERROR_CONVERSATION_TOO_LONG:
		return "invalid_argument"
	case aiserverv1.ErrorDetails_ERROR_OUTDATED_CLIENT, aiserverv1.ErrorDetails_ERROR_DEPRECATED,
		aiserverv1.ErrorDetails_ERROR_REPOSITORY_SERVICE_REPOSITORY_IS_NOT_INITIALIZED:
		return "failed_precondition"
	case aiserverv1.ErrorDetails_ERROR_USER_NOT_FOUND, aiserverv1.ErrorDetails_ERROR_TASK_UUID_NOT_FOUND,
		aiserverv1.ErrorDetails_ERROR_AGENT_ENGINE_NOT_FOUND, aiserverv1.ErrorDetails_ERROR_GITGRAPH_NOT_FOUND,
		aiserverv1.ErrorDetails_ERROR_FILE_NOT_FOUND, aiserverv1.ErrorDetails_ERROR_NOT_FOUND:
		return "not_found"
	case aiserverv1.ErrorDetails_ERROR_USER_ABORTED_REQUEST:
		return "canceled"
	case aiserverv1.ErrorDetails_ERROR_GITHUB_MULTIPLE_OWNERS:
		return "aborted"
	case aiserverv1.ErrorDetails_ERROR_TIMEOUT:
		return "deadline_exceeded"
	case aiserverv1.ErrorDetails_ERROR_OPENAI:
		return "unavailable"
	default:
		return "internal"
	}
}

// httpCode is the Connect code for an HTTP status.
func httpCode(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "invalid_argument"
	case http.StatusUnauthorized:
		return "unauthenticated"
	case http.StatusForbidden:
		return "permission_denied"
	case http.StatusNotFound:
		return "unimplemented"
	case http.StatusTooManyRequests:
		return "resource_exhausted"
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return "unavailable"
	default:
		return "unknown"
	}
}
