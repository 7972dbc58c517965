package upstreamsim

import (
	"encoding/base64"
	"encoding/json"

	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// Enums of errors that are newer than the generated ones.
const (
	enumProvider = 57
	enumRegion   = 64
)

// agentEnds are end frames for errors with an enum of more than the usual; the others are those
// of the Cursor side.
var agentEnds = map[int]struct{ code, title, detail, status string }{
	54:           {"permission_denied", "Suspicious usage", "This account was blocked.", ""},
	56:           {"unavailable", "Network Error", "The provider could not be reached.", ""},
	enumProvider: {"resource_exhausted", "Provider Error", "bad request", "400"},
	58:           {"permission_denied", "Model blocked", "Your team does not allow this model.", ""},
	59:           {"internal", "Internal", "Something went wrong.", ""},
	60:           {"failed_precondition", "Max mode required", "This model needs max mode.", ""},
	61:           {"failed_precondition", "Model no longer supported", "Choose another model.", ""},
	63:           {"unavailable", "Slow pool", "Try again later.", ""},
	enumRegion:   {"permission_denied", "Provider not supported", "This provider is not supported in your region.", ""},
	65:           {"permission_denied", "Account closed", "This account was closed.", ""},
}

// agentTrailer is the payload of the end frame for an enum. The variants are those of errorForm.
func agentTrailer(number int, variant string) ([]byte, error) {
	told, newer := agentEnds[number]
	if !newer {
		return errorTrailer(number, variant)
	}
	details := &agentv1.AiErrorDetails{Error: int32(number), Details: &agentv1.AiCustomErrorDetails{ //nolint:gosec // 54 to 65
		Title: told.title, Detail: told.detail, IsRetryable: proto.Bool(false),
	}, IsExpected: proto.Bool(true)}
	if told.status != "" {
		details.Details.AdditionalInfo = map[string]string{"providerStatusCode": told.status}
	}
	return endWithDetails(told.code, "Error", details)
}

func endWithDetails(code, message string, details *agentv1.AiErrorDetails) ([]byte, error) {
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(details)
	if err != nil {
		return nil, err
	}
	return json.Marshal(endJSON{connectError{Code: code, Message: message, Details: &[]errorDetail{{
		Type: "aiserver.v1.ErrorDetails", Value: base64.RawStdEncoding.EncodeToString(value),
	}}}})
}

// failure is why a Run ends in an error: the end frame's payload.
type failure struct{ trailer []byte }

func (f *failure) Error() string { return string(f.trailer) }

// failing is a failure of a Connect code with a text and without details.
func failing(code, message string) error {
	trailer, err := json.Marshal(endJSON{connectError{Code: code, Message: message}})
	if err != nil {
		return err
	}
	return &failure{trailer}
}

// failingEnum is a failure of an enum.
func failingEnum(number int) error {
	trailer, err := agentTrailer(number, "")
	if err != nil {
		return err
	}
	return &failure{trailer}
}

func blobNotFound() error { return failing("internal", "Blob not found") }

func badArgument(message string) error { return failing("invalid_argument", message) }

// outdatedFailure is "Update Required" in one of its known dresses.
func outdatedFailure(dress string) error {
	switch dress {
	case "enum-30":
		return failingEnum(int(aiserverv1.ErrorDetails_ERROR_OUTDATED_CLIENT))
	case "message":
		return failing("failed_precondition", "Update Required: please update to the latest version of Cursor")
	default:
		return &failure{[]byte(updateRequired)}
	}
}
