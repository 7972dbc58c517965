// Package upstreamtest is the suite that every upstream driver passes: what
// upstream.Driver promises, shown against a scripted server. A driver's test
// calls Run with a Harness, which says how to build the driver and how its
// upstream writes text, ends and errors as bytes. The suite decides what is
// written when. It knows no provider.
//
// Drivers under test take the settings first_byte_timeout (how long until the
// first event) and idle_timeout (how long between events), in Go's notation.
package upstreamtest

import (
	"io"
	"net/http"
	"testing"

	"carousel.internal/gateway/internal/upstream"
)

// Harness is what the suite must know of a driver.
type Harness struct {
	// New builds the driver for an upstream at baseURL (http, no trailing slash).
	// It is called once or more per case, with the settings of the package comment or
	// none.
	New func(baseURL string, settings map[string]string) (upstream.Driver, error)
	// Wire is how the upstream's answers look.
	Wire Wire
}

// Wire is an upstream's notation, as bytes of an HTTP response's body.
type Wire struct {
	// HTTP2 tells that the driver speaks HTTP/2 alone, and without TLS unasked.
	HTTP2 bool
	// Request reads a request's body as far as the upstream reads before it answers; nil: to
	// its end.
	Request func(body io.Reader) ([]byte, error)
	// Header are the response headers of a streamed answer.
	Header http.Header
	// Text is one event with a piece of the answer.
	Text func(text string) []byte
	// End is what follows the last text of a complete answer, up to the last byte.
	End []byte
	// Silent is an event that says nothing, such as a keep-alive; empty: the
	// upstream has none.
	Silent []byte
	// Fail is how the upstream refuses a request before any text. The zero Answer
	// says that it has no words for the class. The message shall be in the answer
	// where a driver would look for it.
	Fail func(class upstream.Class, message string) Answer
	// FailLate is an error that ends an answer after text; nil: not possible.
	FailLate func(class upstream.Class, message string) []byte
	// Whole is a complete answer to a request without Stream, for an upstream that
	// answers it otherwise than by a stream; nil: it doesn't.
	Whole func(text string) Answer
}

// Answer is a whole HTTP response.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Run runs the suite.
func Run(t *testing.T, harness Harness) {
	for _, group := range []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"text", testText},
		{"broken answers", testBroken},
		{"failures", testFailures},
		{"timeouts", testTimeouts},
		{"hanging up", testHangingUp},
		{"connections", testConnections},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			group.run(t, harness)
		})
	}
}
