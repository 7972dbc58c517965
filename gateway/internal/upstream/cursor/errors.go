package cursor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/upstream"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
	"carousel.internal/proto/service/secret"
)

// byCode stands in enumClasses where the number says nothing of its own and the
// Connect code decides.
const byCode upstream.Class = ""

// enumClasses is what each number of ErrorDetails.Error says of an attempt.
var enumClasses = map[aiserverv1.ErrorDetails_Error]upstream.Class{
	aiserverv1.ErrorDetails_ERROR_UNSPECIFIED:                                      byCode,
	aiserverv1.ErrorDetails_ERROR_BAD_API_KEY:                                      upstream.Auth,
	aiserverv1.ErrorDetails_ERROR_NOT_LOGGED_IN:                                    upstream.Auth,
	aiserverv1.ErrorDetails_ERROR_INVALID_AUTH_ID:                                  upstream.Auth,
	aiserverv1.ErrorDetails_ERROR_NOT_HIGH_ENOUGH_PERMISSIONS:                      upstream.ModelNotAllowed,
	aiserverv1.ErrorDetails_ERROR_BAD_MODEL_NAME:                                   upstream.CallerFault,
	aiserverv1.ErrorDetails_ERROR_USER_NOT_FOUND:                                   upstream.Auth,
	aiserverv1.ErrorDetails_ERROR_FREE_USER_RATE_LIMIT_EXCEEDED:                    upstream.RateLimit,
	aiserverv1.ErrorDetails_ERROR_PRO_USER_RATE_LIMIT_EXCEEDED:                     upstream.RateLimit,
	aiserverv1.ErrorDetails_ERROR_FREE_USER_USAGE_LIMIT:                            upstream.Quota,
	aiserverv1.ErrorDetails_ERROR_PRO_USER_USAGE_LIMIT:                             upstream.Quota,
	aiserverv1.ErrorDetails_ERROR_AUTH_TOKEN_NOT_FOUND:                             upstream.Auth,
	aiserverv1.ErrorDetails_ERROR_AUTH_TOKEN_EXPIRED:                               upstream.Auth,
	aiserverv1.ErrorDetails_ERROR_OPENAI:                                           upstream.Broken,
	aiserverv1.ErrorDetails_ERROR_OPENAI_RATE_LIMIT_EXCEEDED:                       upstream.RateLimit,
	aiserverv1.ErrorDetails_ERROR_OPENAI_ACCOUNT_LIMIT_EXCEEDED:                    upstream.Quota,
	aiserverv1.ErrorDetails_ERROR_TASK_UUID_NOT_FOUND:                              upstream.CallerFault,
	aiserverv1.ErrorDetails_ERROR_TASK_NO_PERMISSIONS:                              upstream.ModelNotAllowed,
	aiserverv1.ErrorDetails_ERROR_AGENT_REQUIRES_LOGIN:                             upstream.Auth,
	aiserverv1.ErrorDetails_ERROR_AGENT_ENGINE_NOT_FOUND:                           upstream.CallerFault,
	aiserverv1.ErrorDetails_ERROR_MAX_TOKENS:                                       upstream.TooLarge,
	aiserverv1.ErrorDetails_ERROR_USER_ABORTED_REQUEST:                             upstream.Broken, // we did not
	aiserverv1.ErrorDetails_ERROR_GENERIC_RATE_LIMIT_EXCEEDED:                      upstream.RateLimit,
	aiserverv1.ErrorDetails_ERROR_PRO_USER_ONLY:                                    upstream.ModelNotAllowed,
	aiserverv1.ErrorDetails_ERROR_API_KEY_NOT_SUPPORTED:                            upstream.ModelNotAllowed,
	aiserverv1.ErrorDetails_ERROR_TIMEOUT:                                          upstream.Broken,
	aiserverv1.ErrorDetails_ERROR_SLASH_EDIT_FILE_TOO_LONG:                         upstream.TooLarge,
	aiserverv1.ErrorDetails_ERROR_FILE_UNSUPPORTED:                                 upstream.CallerFault,
	aiserverv1.ErrorDetails_ERROR_GPT_4_VISION_PREVIEW_RATE_LIMIT:                  upstream.RateLimit,
	aiserverv1.ErrorDetails_ERROR_CUSTOM_MESSAGE:                                   byCode,
	aiserverv1.ErrorDetails_ERROR_OUTDATED_CLIENT:                                  upstream.OutdatedClient,
	aiserverv1.ErrorDetails_ERROR_CLAUDE_IMAGE_TOO_LARGE:                           upstream.CallerFault,
	aiserverv1.ErrorDetails_ERROR_GITGRAPH_NOT_FOUND:                               upstream.CallerFault,
	aiserverv1.ErrorDetails_ERROR_FILE_NOT_FOUND:                                   upstream.CallerFault,
	aiserverv1.ErrorDetails_ERROR_API_KEY_RATE_LIMIT:                               upstream.RateLimit,
	aiserverv1.ErrorDetails_ERROR_DEBOUNCED:                                        upstream.RateLimit,
	aiserverv1.ErrorDetails_ERROR_BAD_REQUEST:                                      upstream.CallerFault,
	aiserverv1.ErrorDetails_ERROR_REPOSITORY_SERVICE_REPOSITORY_IS_NOT_INITIALIZED: upstream.CallerFault,
	aiserverv1.ErrorDetails_ERROR_UNAUTHORIZED:                                     upstream.Auth,
	aiserverv1.ErrorDetails_ERROR_NOT_FOUND:                                        upstream.CallerFault,
	aiserverv1.ErrorDetails_ERROR_DEPRECATED:                                       upstream.OutdatedClient,
	aiserverv1.ErrorDetails_ERROR_RESOURCE_EXHAUSTED:                               upstream.RateLimit,
	aiserverv1.ErrorDetails_ERROR_BAD_USER_API_KEY:                                 upstream.Auth,
	aiserverv1.ErrorDetails_ERROR_CONVERSATION_TOO_LONG:                            upstream.TooLarge,
	aiserverv1.ErrorDetails_ERROR_USAGE_PRICING_REQUIRED:                           upstream.Quota,
	aiserverv1.ErrorDetails_ERROR_USAGE_PRICING_REQUIRED_CHANGEABLE:                upstream.Quota,
	aiserverv1.ErrorDetails_ERROR_GITHUB_NO_USER_CREDENTIALS:                       upstream.ModelNotAllowed,
	aiserverv1.ErrorDetails_ERROR_GITHUB_USER_NO_ACCESS:                            upstream.ModelNotAllowed,
	aiserverv1.ErrorDetails_ERROR_GITHUB_APP_NO_ACCESS:                             upstream.ModelNotAllowed,
	aiserverv1.ErrorDetails_ERROR_GITHUB_MULTIPLE_OWNERS:                           upstream.CallerFault,
	aiserverv1.ErrorDetails_ERROR_RATE_LIMITED:                                     upstream.RateLimit,
	aiserverv1.ErrorDetails_ERROR_RATE_LIMITED_CHANGEABLE:                          upstream.RateLimit,
	aiserverv1.ErrorDetails_ERROR_CUSTOM:                                           byCode,
	aiserverv1.ErrorDetails_ERROR_HOOKS_BLOCKED:                                    upstream.CallerFault,
}

// codeClasses is what a Connect code says where no number does. Codes that are
// not here, and unknown ones, are Broken.
var codeClasses = map[string]upstream.Class{
	connect.CodeUnauthenticated.String():    upstream.Auth,
	connect.CodePermissionDenied.String():   upstream.ModelNotAllowed,
	connect.CodeResourceExhausted.String():  upstream.RateLimit,
	connect.CodeInvalidArgument.String():    upstream.CallerFault,
	connect.CodeFailedPrecondition.String(): upstream.CallerFault,
	connect.CodeOutOfRange.String():         upstream.CallerFault,
	connect.CodeNotFound.String():           upstream.CallerFault,
	connect.CodeAlreadyExists.String():      upstream.CallerFault,
}

// statusClasses is what the HTTP status of a refusal says where its body says
// nothing. Statuses that are not here are Broken.
var statusClasses = map[int]upstream.Class{
	http.StatusBadRequest:                 upstream.CallerFault,
	http.StatusUnauthorized:               upstream.Auth,
	http.StatusPaymentRequired:            upstream.Quota,
	http.StatusForbidden:                  upstream.Auth,
	http.StatusGone:                       upstream.OutdatedClient,
	http.StatusRequestEntityTooLarge:      upstream.TooLarge,
	http.StatusUnprocessableEntity:        upstream.CallerFault,
	http.StatusUpgradeRequired:            upstream.OutdatedClient,
	http.StatusTooManyRequests:            upstream.RateLimit,
	http.StatusUnavailableForLegalReasons: upstream.Region,
}

// pageStatuses are those that a web page makes meaningless: it comes from a wall or
// a proxy in between, which judges the address and not the token.
var pageStatuses = map[int]bool{http.StatusOK: true, http.StatusBadRequest: true, http.StatusForbidden: true}

// statusProtocolMismatch is what the upstream's load balancer answers to a protocol
// version that the service behind it doesn't speak.
const statusProtocolMismatch = 464

// What the upstream says in words only. The outdated client comes in the dress of a
// rate limit.
var (
	outdatedWords = regexp.MustCompile(`(?i)update required|version .*no longer supported|(client|version) .*(outdated|too old)|please update to the latest`)
	regionWords   = regexp.MustCompile(`(?i)(not available|not supported|unsupported|unavailable|n['’]t serve|not serve).*\b(region|country|territory)\b|\b(region|country|territory)\b.*(not available|not supported|unsupported)|UNSUPPORTED_REGION`)
	largeWords    = regexp.MustCompile(`(?i)too (long|large|big)|context (length|window)|larger than max`)
	quotaWords    = regexp.MustCompile(`(?i)usage limit|quota|billing|out of credits|upgrade to`)
)

// judge turns errors into failures.
type judge struct {
	// parent is the caller's context, ctx the call's own.
	parent, ctx context.Context //nolint:containedctx // both live as long as the judge
	exchange    *exchange
	secret      secret.Value
}

// failure finds what was at fault. The upstream's own word counts more than the end
// of a context, and that more than its traces in the connection.
func (j judge) failure(err error) *upstream.Failure {
	var own *connect.Error
	if connect.IsWireError(err) && errors.As(err, &own) {
		return complaintOf(own).failure(j.secret)
	}
	if failure := j.ended(); failure != nil {
		return failure
	}
	var refused *refusal
	var broke *readError
	switch {
	case errors.As(err, &refused):
		return refused.failure(j.secret)
	case j.exchange.frames == nil:
		return &upstream.Failure{Class: upstream.Transport, Message: "the upstream can't be reached", Err: err}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return truncated("the upstream's answer ended early", err)
	case errors.As(err, &broke):
		return &upstream.Failure{Class: upstream.Transport, Message: "the connection to the upstream broke", Err: err}
	case errors.Is(err, errOversized):
		return truncated(fmt.Sprintf("the upstream sent a frame of more than %d MiB", maxFrame>>20), err)
	default:
		return truncated("the upstream's answer is unreadable", err)
	}
}

func truncated(message string, err error) *upstream.Failure {
	return &upstream.Failure{Class: upstream.Truncated, Message: message, Status: http.StatusOK, Err: err}
}

// ended tells of a context that has ended: the client hung up, the caller's time is
// up, or a timer of ours fired.
func (j judge) ended() *upstream.Failure {
	cause := context.Cause(j.parent)
	switch {
	case errors.Is(j.parent.Err(), context.DeadlineExceeded):
		return &upstream.Failure{
			Class: upstream.Broken, Message: "the upstream did not finish in time",
			Err: errors.Join(context.DeadlineExceeded, cause),
		}
	case j.parent.Err() != nil:
		return &upstream.Failure{Class: upstream.ClientGone, Message: "the client hung up", Err: cause}
	}
	var quiet *silence
	if errors.As(context.Cause(j.ctx), &quiet) {
		return &upstream.Failure{Class: upstream.Broken, Message: quiet.message, Err: quiet}
	}
	return nil
}

// complaint is an error in the upstream's words.
type complaint struct {
	status int
	// code is the Connect code, empty where there is none.
	code string
	// number is set where named is.
	number aiserverv1.ErrorDetails_Error
	named  bool
	// title and detail are meant for people; message usually says only "Error".
	title, detail, message string
	retryAfter             time.Duration
}

// complaintOf reads the error of an end frame.
func complaintOf(err *connect.Error) complaint {
	c := complaint{
		status: http.StatusOK, code: err.Code().String(), message: err.Message(),
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
func (c *complaint) read(value []byte) bool {
	var details aiserverv1.ErrorDetails
	if len(value) == 0 || proto.Unmarshal(value, &details) != nil {
		return false
	}
	c.number, c.named = details.GetError(), true
	c.title, c.detail = details.GetDetails().GetTitle(), details.GetDetails().GetDetail()
	return true
}

// failure classifies the complaint.
func (c complaint) failure(known secret.Value) *upstream.Failure {
	return &upstream.Failure{
		Class:      c.class(),
		Message:    upstream.CleanMessage(c.words(), known),
		Status:     c.status,
		Code:       c.name(),
		RetryAfter: c.retryAfter,
	}
}

func (c complaint) class() upstream.Class {
	words := c.title + "\n" + c.detail + "\n" + c.message
	switch {
	case outdatedWords.MatchString(words):
		return upstream.OutdatedClient
	case regionWords.MatchString(words):
		return upstream.Region
	}
	class := c.plainClass()
	switch {
	case class != upstream.RateLimit:
		return class
	// What is exhausted may be any of three things.
	case largeWords.MatchString(words):
		return upstream.TooLarge
	case quotaWords.MatchString(words):
		return upstream.Quota
	default:
		return class
	}
}

// plainClass looks at the numbers and codes only: the first that says something.
func (c complaint) plainClass() upstream.Class {
	if class := enumClasses[c.number]; c.named && class != byCode {
		return class
	}
	if class, known := codeClasses[c.code]; known {
		return class
	}
	if class, known := statusClasses[c.status]; known {
		return class
	}
	return upstream.Broken
}

// name is the upstream's name for the error.
func (c complaint) name() string {
	switch name, known := aiserverv1.ErrorDetails_Error_name[int32(c.number)]; {
	case !c.named || c.number == aiserverv1.ErrorDetails_ERROR_UNSPECIFIED:
		return c.code
	case known:
		return name
	default:
		return fmt.Sprintf("ERROR_%d", c.number)
	}
}

// words is what to tell the client.
func (c complaint) words() string {
	switch {
	case c.detail != "" && (c.title == "" || strings.HasPrefix(c.detail, c.title)):
		return c.detail
	case c.detail != "":
		return strings.TrimRight(c.title, ".:") + ": " + c.detail
	case c.title != "":
		return c.title
	case c.message != "" && c.message != "Error":
		return c.message
	case c.name() != "":
		return "the upstream answered with the error " + c.name()
	default:
		return fmt.Sprintf("the upstream answered with HTTP %d", c.status)
	}
}

// failure classifies an answer without frames.
func (r *refusal) failure(known secret.Value) *upstream.Failure {
	c := complaint{status: r.status, retryAfter: retryAfter(r.header)}
	page := r.isPage()
	if !page {
		c.readJSON(r.body)
	}
	switch {
	case page && pageStatuses[r.status]:
		return r.plain(upstream.Broken, fmt.Sprintf("a web page (HTTP %d) came instead of the upstream's answer", r.status))
	case r.status == statusProtocolMismatch:
		return r.plain(upstream.Broken, "the upstream refuses the HTTP version (HTTP 464); it wants HTTP/2 over TLS")
	case r.status == http.StatusOK && c.code == "" && !c.named:
		return r.plain(upstream.Truncated, "the upstream's answer is no stream of frames")
	default:
		return c.failure(known)
	}
}

func (r *refusal) plain(class upstream.Class, message string) *upstream.Failure {
	return &upstream.Failure{Class: class, Message: message, Status: r.status, RetryAfter: retryAfter(r.header), Err: r}
}

// wireError is a Connect error as JSON, in the body of an answer that is no stream.
type wireError struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Error   json.RawMessage `json:"error"` // another wireError, or a sentence
	Details []struct {
		Value string `json:"value"`
		Debug struct {
			Error   string `json:"error"`
			Details struct {
				Title  string `json:"title"`
				Detail string `json:"detail"`
			} `json:"details"`
		} `json:"debug"`
	} `json:"details"`
}

// readJSON takes over what it understands of a refusal's body.
func (c *complaint) readJSON(body []byte) {
	var wire wireError
	if json.Unmarshal(body, &wire) != nil {
		return
	}
	if len(wire.Error) > 0 {
		inner := wireError{}
		if json.Unmarshal(wire.Error, &inner) == nil {
			wire = inner
		} else if wire.Message == "" {
			_ = json.Unmarshal(wire.Error, &wire.Message) // what is neither says nothing
		}
	}
	c.code, c.message = wire.Code, wire.Message
	for _, detail := range wire.Details {
		value, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(detail.Value, "="))
		if err == nil && c.read(value) {
			return
		}
		if number, known := aiserverv1.ErrorDetails_Error_value[detail.Debug.Error]; known {
			c.number, c.named = aiserverv1.ErrorDetails_Error(number), true
			c.title, c.detail = detail.Debug.Details.Title, detail.Debug.Details.Detail
			return
		}
	}
}

// maxRetryAfter bounds what an upstream's hint is believed.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the hint, in seconds or as a date; 0: there is none.
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(seconds, 0), int(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(time.Until(at), 0), maxRetryAfter)
}
