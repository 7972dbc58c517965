package cursor

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/upstream"
	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
	"carousel.internal/proto/service/secret"
)

// pageStatuses are those that a web page makes meaningless: it comes from a wall or
// a proxy in between, which judges the address and not the token.
var pageStatuses = map[int]bool{http.StatusOK: true, http.StatusBadRequest: true, http.StatusForbidden: true}

// statusProtocolMismatch is what the upstream's load balancer answers to a protocol
// version that the service behind it doesn't speak.
const statusProtocolMismatch = 464

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
		return signed(upstream.SignUnreachable, 0, "the upstream can't be reached", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return signed(upstream.SignCut, http.StatusOK, "the upstream's answer ended early", err)
	case errors.As(err, &broke):
		return signed(upstream.SignLost, http.StatusOK, "the connection to the upstream broke", err)
	case errors.Is(err, errOversized):
		return signed(upstream.SignGarbled, http.StatusOK, fmt.Sprintf("the upstream sent a frame of more than %d MiB", maxFrame>>20), err)
	default:
		return signed(upstream.SignGarbled, http.StatusOK, "the upstream's answer is unreadable", err)
	}
}

// signed is a failure of which the upstream said nothing.
func signed(sign string, status int, message string, err error) *upstream.Failure {
	failure := failures.Fail(upstream.Complaint{Status: status, Names: []string{sign}})
	failure.Message, failure.Err = message, err
	return failure
}

// ended tells of a context that has ended: the client hung up, the caller's time is
// up, or a timer of ours fired.
func (j judge) ended() *upstream.Failure {
	cause := context.Cause(j.parent)
	switch {
	case errors.Is(j.parent.Err(), context.DeadlineExceeded):
		return signed(upstream.SignLate, 0, "the upstream did not finish in time", errors.Join(context.DeadlineExceeded, cause))
	case j.parent.Err() != nil:
		return signed(upstream.SignHungUp, 0, "the client hung up", cause)
	}
	var quiet *silence
	if errors.As(context.Cause(j.ctx), &quiet) {
		return signed(upstream.SignSilent, 0, quiet.message, quiet)
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
	// page: a web page came instead, with a status that means nothing then.
	page       bool
	retryAfter time.Duration
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
	text := c.title + "\n" + c.detail + "\n" + c.message
	failure := failures.Fail(upstream.Complaint{Status: c.status, Names: c.judged(), Text: text})
	failure.Message, failure.Code = upstream.CleanMessage(c.words(), known), c.name()
	if c.retryAfter != 0 {
		failure.RetryAfter = c.retryAfter
	} else if failure.Class.Cools() {
		failure.RetryAfter = cmp.Or(upstream.WaitInWords(text, time.Now()), failure.RetryAfter)
	}
	return failure
}

// judged is the name that decides: the number's where it says something, else the
// Connect code, else that a page came.
func (c complaint) judged() []string {
	_, known := aiserverv1.ErrorDetails_Error_name[int32(c.number)]
	switch {
	case c.named && known && !mute[c.number]:
		return []string{c.number.String()}
	case c.page:
		return []string{upstream.SignPage}
	default:
		return []string{c.code}
	}
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
	page := r.isPage()
	c := complaint{status: r.status, page: page && pageStatuses[r.status], retryAfter: retryAfter(r.header)}
	if !page {
		c.readJSON(r.body)
	}
	if r.status == http.StatusOK && c.code == "" && !c.named && !c.page {
		failure := signed(upstream.SignGarbled, r.status, "the upstream's answer is no stream of frames", r)
		failure.RetryAfter = c.retryAfter
		return failure
	}
	failure := c.failure(known)
	switch {
	case c.page:
		failure.Message = fmt.Sprintf("a web page (HTTP %d) came instead of the upstream's answer", r.status)
	case r.status == statusProtocolMismatch:
		failure.Message = "the upstream refuses the HTTP version (HTTP 464); it wants HTTP/2 over TLS"
	}
	failure.Err = r
	return failure
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
