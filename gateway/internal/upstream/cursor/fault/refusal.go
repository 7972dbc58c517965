package fault

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/wire"
	"carousel.internal/proto/service/secret"
)

// maxRefusal bounds how much of a refusal is read, in bytes.
const maxRefusal = 64 << 10

// pageStatuses are those that a web page makes meaningless: it comes from a wall or
// a proxy in between, which judges the address and not the token.
var pageStatuses = map[int]bool{http.StatusOK: true, http.StatusBadRequest: true, http.StatusForbidden: true}

// statusProtocolMismatch is what the upstream's load balancer answers to a protocol
// version that the service behind it doesn't speak.
const statusProtocolMismatch = 464

// Refusal is an answer that is no stream: from the upstream's edge, from a proxy,
// or from somebody else altogether.
type Refusal struct {
	Status int
	Header http.Header
	Body   []byte
}

// Error implements error, without the body.
func (r *Refusal) Error() string {
	return "an answer without frames: HTTP " + strconv.Itoa(r.Status)
}

// ReadRefusal reads a response to its end and closes it. The error is a *Refusal, unless
// the request's context ended meanwhile.
func ReadRefusal(response *http.Response) error {
	// What can't be read of the body is not needed: the status says enough.
	body, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	_ = response.Body.Close()
	if ended := response.Request.Context().Err(); err != nil && ended != nil {
		return errors.Join(ended, err)
	}
	return &Refusal{Status: response.StatusCode, Header: response.Header, Body: body}
}

// IsPage tells whether the body is for eyes: then it is no word of the upstream's
// about the token.
func (r *Refusal) IsPage() bool {
	return strings.Contains(r.Header.Get("Content-Type"), "html") || strings.HasPrefix(strings.TrimSpace(string(r.Body)), "<")
}

// complaint is what the refusal says.
func (r *Refusal) complaint() Complaint {
	page := r.IsPage()
	c := Complaint{Status: r.Status, page: page && pageStatuses[r.Status], retryAfter: retryAfter(r.Header)}
	if !page {
		c.readJSON(r.Body)
	}
	return c
}

// Failure classifies an answer without frames.
func (r *Refusal) Failure(table upstream.Table, known secret.Value) *upstream.Failure {
	c := r.complaint()
	if r.Status == http.StatusOK && c.Code == "" && !c.Named && !c.page {
		failure := wire.Signed(table, upstream.SignGarbled, r.Status, "the upstream's answer is no stream of frames", r)
		failure.RetryAfter = c.retryAfter
		return failure
	}
	failure := c.Failure(table, known)
	switch {
	case c.page:
		failure.Message = fmt.Sprintf("a web page (HTTP %d) came instead of the upstream's answer", r.Status)
	case r.Status == statusProtocolMismatch:
		failure.Message = "the upstream refuses the HTTP version (HTTP 464); it wants HTTP/2 over TLS"
	}
	failure.Err = r
	return failure
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
