package responses

import (
	"math"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/chat"
)

// Break implements dialect.Breaker: a stream that broke ends with response.failed. One that has
// not begun does so only where an HTTP status would be misread: clients take a status of 400 for
// a fault of the request, where they would make the conversation shorter, and Codex gives up at
// one of 429, where it would wait.
func (s *stream) Break(err error, _ string, begun bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	failure := chat.AsError(err)
	if !begun && !s.begun && !s.saysBetter(failure) {
		return false
	}
	if !s.ended {
		_ = s.fail(failure) // a client that has gone needs no error
	}
	_ = s.sink.Flush()
	return true
}

// saysBetter tells whether a stream that has not begun tells of an error what an HTTP answer
// could not.
func (s *stream) saysBetter(failure *chat.Error) bool {
	switch failure.Kind {
	case chat.ContextTooLong:
		return true
	case chat.RateLimited, chat.NoTokenAvailable, chat.KeyLimited, chat.KeySpent:
		return s.codex
	default:
		return false
	}
}

// fail writes the end of an answer that broke.
func (s *stream) fail(failure *chat.Error) error {
	if !s.native.passing {
		if err := s.start(); err != nil {
			return err
		}
		if err := s.closeBroken(); err != nil {
			return err
		}
	}
	s.ended = true
	s.item.open = false
	s.request = s.native.answered(s.request)
	const name = "response." + failed
	dst := append(s.head(name), `,"response":`...)
	dst = s.appendResponse(dst, failed, faultOf(failure))
	return s.put(name, append(dst, '}'))
}

// closeBroken ends the item that is open, so that no client loses what has been said; but a call
// of which the rest is missing stays open, since a client would do what it says.
func (s *stream) closeBroken() error {
	switch {
	case s.item.over:
		return s.close(completed)
	case s.item.kind == chat.CallBlock:
		return nil
	}
	return s.close(incomplete)
}

// faultOf is what a client is told of a stream that broke.
func faultOf(failure *chat.Error) *fault {
	code := render(failure).failed
	message := failure.Message
	if wait := failure.RetryAfter; code == limitExceeded && wait > 0 && !strings.Contains(strings.ToLower(message), "try again in") {
		message = strings.TrimRight(message, ". ") + ". Please try again in " + inSeconds(wait) + "."
	}
	return &fault{code: code, message: message}
}

// inSeconds is a time as clients read it out of a message, such as `1.5s`: never shorter than it
// is, to a tenth of a second.
func inSeconds(wait time.Duration) string {
	return strconv.FormatFloat(math.Ceil(10*wait.Seconds())/10, 'f', -1, 64) + "s"
}
