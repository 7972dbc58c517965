// Package dialecttest is the suite that every API dialect passes: what dialect.Dialect
// promises, shown by generated requests, answers and errors. A dialect's test calls Run
// with a Harness, which says how its requests look and how a client reads its answers.
// What clients are sent is judged by package grammar. The suite knows no dialect.
package dialecttest

import (
	"net/http"
	"testing"
	"time"

	"carousel.internal/gateway/grammar"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

// Harness is what the suite must know of a dialect.
type Harness struct {
	API   dialect.Dialect
	Judge grammar.Judge
	// Header is what its clients send.
	Header http.Header
	// Good is a request for Model with the one user message Question.
	Good func(stream bool) string
	// Faults are requests that can't be read, by what is wrong with them.
	Faults map[string]Fault
	// HistoryFaults are requests whose messages are wrong, likewise.
	HistoryFaults map[string]Fault
	// ReadStream and ReadWhole are what a client understands of an answer.
	ReadStream, ReadWhole func(answer []byte) (Said, error)
	// Native are events of an upstream of the dialect that answers the request, which have
	// the request's own id, time and model: nothing is to be changed.
	Native func(request *chat.Request) []chat.Event
}

// What Good asks for.
const (
	Model    = "model-1"
	Question = "What is \u65e5\u672c, \"quoted\"?"
)

// Fault is a request and the field that is at fault.
type Fault struct {
	Body, Param string
}

// Said is what a client understands of an answer.
type Said struct {
	ID, Model                string
	Text, Reasoning, Refusal string
	Calls                    []Call
	Finish                   string
	Prompt, Completion       int
}

// Call is a tool that is called.
type Call struct{ ID, Name, Arguments string }

// Run runs the suite.
func Run(t *testing.T, harness Harness) {
	for _, group := range []struct {
		name string
		run  func(*testing.T, Harness)
	}{
		{"requests", testRequests},
		{"faults", testFaults},
		{"answers", testAnswers},
		{"failed streams", testFailedStreams},
		{"the upstream's own events", testNative},
		{"sinks that fail", testSinks},
		{"errors", testErrors},
		{"models", testModels},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			group.run(t, harness)
		})
	}
}

const requestID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

// received is whole seconds: some dialects tell no more.
var received = time.Unix(1_700_000_000, 0)

func (h *Harness) incoming(body string) dialect.Incoming {
	return dialect.Incoming{Body: []byte(body), Header: h.Header.Clone(), RequestID: requestID, Received: received}
}

// asked is a request as the dialect decodes it.
func (h *Harness) asked(t testing.TB, stream bool) *chat.Request {
	t.Helper()
	request, err := h.API.Decode(h.incoming(h.Good(stream)))
	if err != nil {
		t.Fatal(err)
	}
	request.IncludeUsage = true
	return request
}

// report tells of what the judge found.
func report(t testing.TB, found []grammar.Violation, in []byte) {
	t.Helper()
	for _, violation := range found {
		t.Errorf("%s\n%s", violation, in)
	}
}
