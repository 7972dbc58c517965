package fault

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/upstream"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
	"carousel.internal/proto/service/secret"
)

// Final ends the name of an error of which the upstream says that asking again is no use.
const Final = " (final)"

// Complaint is an error in the upstream's words.
type Complaint struct {
	// Status is the HTTP status.
	Status int
	// Code is the Connect code, empty where there is none.
	Code string
	// Number is set where Named is.
	Number int32
	Named  bool
	// Title and Detail are meant for people; Message usually says only "Error".
	Title, Detail, Message string
	// Final tells that the upstream says so of it.
	Final bool
	// page: a web page came instead, with a status that means nothing then.
	page       bool
	retryAfter time.Duration
}

// OfConnect reads the error of an end frame.
func OfConnect(err *connect.Error) Complaint {
	c := Complaint{
		Status: http.StatusOK, Code: err.Code().String(), Message: err.Message(),
		retryAfter: retryAfter(err.Meta()),
	}
	for _, detail := range err.Details() {
		if c.read(detail.Bytes()) {
			break
		}
	}
	return c
}

// read takes over an ErrorDetails message. Anything else it leaves alone.
func (c *Complaint) read(value []byte) bool {
	var details agentv1.AiErrorDetails
	if len(value) == 0 || proto.Unmarshal(value, &details) != nil {
		return false
	}
	c.Number, c.Named = details.GetError(), true
	custom := details.GetDetails()
	c.Title, c.Detail = custom.GetTitle(), custom.GetDetail()
	c.Final = custom != nil && custom.IsRetryable != nil && !custom.GetIsRetryable()
	return true
}

// Mute tells whether the upstream says nothing but a code.
func (c *Complaint) Mute() bool {
	return !c.Named && c.Title == "" && c.Detail == "" && (c.Message == "" || c.Message == "Error")
}

// Failure classifies the complaint by a table. The texts of the failure hide the secret.
func (c *Complaint) Failure(table upstream.Table, known secret.Value) *upstream.Failure {
	text := c.Title + "\n" + c.Detail + "\n" + c.Message
	failure := table.Fail(upstream.Complaint{Status: c.Status, Names: c.judged(), Text: text})
	failure.Message, failure.Code = upstream.CleanMessage(c.words(), known), c.name()
	if c.retryAfter != 0 {
		failure.RetryAfter = c.retryAfter
	} else if failure.Class.Cools() {
		failure.RetryAfter = cmp.Or(upstream.WaitInWords(text, time.Now()), failure.RetryAfter)
	}
	return failure
}

// judged are the names that decide: the number's where it says something, else the Connect
// code, else that a page came.
func (c *Complaint) judged() []string {
	name := c.Code
	switch number := nameOf(c.Number); {
	case c.Named && number != "" && !mute[aiserverv1.ErrorDetails_Error(c.Number)]:
		name = strings.ToLower(number)
	case c.page:
		return []string{upstream.SignPage}
	}
	if c.Final {
		return []string{name + Final, name}
	}
	return []string{name}
}

// name is the upstream's name for the error.
func (c *Complaint) name() string {
	switch name := nameOf(c.Number); {
	case !c.Named || c.Number == int32(aiserverv1.ErrorDetails_ERROR_UNSPECIFIED):
		return c.Code
	case name != "":
		return name
	default:
		return fmt.Sprintf("ERROR_%d", c.Number)
	}
}

// words is what to tell the client.
func (c *Complaint) words() string {
	switch {
	case c.Detail != "" && (c.Title == "" || strings.HasPrefix(c.Detail, c.Title)):
		return c.Detail
	case c.Detail != "":
		return strings.TrimRight(c.Title, ".:") + ": " + c.Detail
	case c.Title != "":
		return c.Title
	case c.Message != "" && c.Message != "Error":
		return c.Message
	case c.name() != "":
		return "the upstream answered with the error " + c.name()
	default:
		return fmt.Sprintf("the upstream answered with HTTP %d", c.Status)
	}
}

// later are the numbers that the upstream has added since the schema was written.
var later = []string{
	"ERROR_SUSPICIOUS_USAGE_BLOCKED", "ERROR_EXTENSION_HOST_TIMEOUT", "ERROR_NETWORK_ERROR", "ERROR_PROVIDER_ERROR",
	"ERROR_MODEL_BLOCKED", "ERROR_INTERNAL", "ERROR_MAX_MODE_REQUIRED", "ERROR_MODEL_NO_LONGER_SUPPORTED",
	"ERROR_PRICING_WARNING", "ERROR_SLOW_POOL", "ERROR_UNSUPPORTED_REGION", "ERROR_ACCOUNT_CLOSED",
}

// firstLater is the number of the first of them.
const firstLater = 54

// nameOf is a number's name; empty: it has none.
func nameOf(number int32) string {
	if at := int(number) - firstLater; at >= 0 && at < len(later) {
		return later[at]
	}
	return aiserverv1.ErrorDetails_Error_name[number]
}

// numberOf is the reverse of nameOf.
func numberOf(name string) (int32, bool) {
	if at := slices.Index(later, name); at >= 0 {
		return int32(at) + firstLater, true //nolint:gosec // a dozen
	}
	number, known := aiserverv1.ErrorDetails_Error_value[name]
	return number, known
}
