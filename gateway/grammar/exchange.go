package grammar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// exchange judges one HTTP request and its answer: as what, its path and the answer's head
// say. One goroutine sends or reads the request's body, one the answer.
type exchange struct {
	judge   Judge
	counts  bool // the route answers something else than an answer: only its errors are judged
	options Options
	verdict *verdict

	mu       sync.Mutex
	asked    bytes.Buffer // the request's body
	overflow bool         // it is too long to keep

	status int
	stream *Stream
	body   bytes.Buffer // of an answer that is no stream
	report func([]Violation)
	once   sync.Once
}

// keptBody bounds what is kept of a body. Of a longer request nothing is known, a longer
// whole answer is not judged.
const keptBody = 4 << 20

// newExchange returns nil where there are no rules.
func newExchange(request *http.Request, options func(*http.Request) (Options, bool), report Report) *exchange {
	if request.Method != http.MethodPost {
		return nil
	}
	e := &exchange{report: func(found []Violation) { report(request, found) }}
	switch route := path.Clean("/" + request.URL.Path); {
	case strings.HasSuffix(route, "/chat/completions"):
		e.judge = Chat
	case strings.HasSuffix(route, "/messages"):
		e.judge = Messages
	case strings.HasSuffix(route, "/messages/count_tokens"):
		e.judge, e.counts = Messages, true
	case strings.HasSuffix(route, "/responses"):
		e.judge = Responses
	case strings.HasSuffix(route, "/responses/input_tokens"), strings.HasSuffix(route, "/responses/compact"):
		e.judge, e.counts = Responses, true
	default:
		return nil
	}
	if options != nil {
		own, judged := options(request)
		if !judged {
			return nil
		}
		e.options = own
	}
	return e
}

// ask takes a piece of the request's body.
func (e *exchange) ask(p []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.overflow = e.overflow || e.asked.Len()+len(p) > keptBody
	if !e.overflow {
		e.asked.Write(p)
	}
}

// askAgain begins the request's body anew.
func (e *exchange) askAgain() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked.Reset()
	e.overflow = false
}

// head judges the answer's status and headers. What the server needed of the request's
// body has been asked by then.
func (e *exchange) head(status int, header http.Header) {
	wanted := e.wish()
	e.status, e.verdict = status, &verdict{options: e.options}
	if after := header.Get("Retry-After"); after != "" {
		if seconds, err := strconv.Atoi(after); err != nil || seconds < 0 {
			e.verdict.report(RetryAfter, "Retry-After: "+after, "whole seconds")
		}
	}
	if e.judge == Messages && header.Get("Request-Id") == "" {
		e.verdict.report(RequestID, "no request-id", "a header request-id")
	}
	failed := status >= http.StatusBadRequest
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if media == eventStream && !failed {
		e.stream = e.judge.Stream(e.options)
		return
	}
	want := "application/json"
	if wanted && !failed {
		want = eventStream
	}
	if media != want {
		e.verdict.report(ContentType, fmt.Sprintf("status %d with Content-Type %q", status, media), want)
	}
}

const eventStream = "text/event-stream"

// wish tells whether the request asks for a stream, and sets the options to what else it
// asks for. Where it can't be read, rules that depend on it are left out.
func (e *exchange) wish() (stream bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var body struct {
		Stream        bool `json:"stream"`
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	if e.overflow || json.Unmarshal(e.asked.Bytes(), &body) != nil {
		e.options.Except = append([]Rule{UsageUnasked, UsageMissing}, e.options.Except...)
		return false
	}
	e.options.Usage = e.options.Usage || body.StreamOptions.IncludeUsage
	return body.Stream
}

// answer takes a piece of the answer's body.
func (e *exchange) answer(p []byte) {
	if e.stream != nil {
		_, _ = e.stream.Write(p)
	} else if e.body.Len() <= keptBody {
		e.body.Write(p)
	}
}

// end judges the answer as a whole and reports, the first time; cut: it did not come to
// its end.
func (e *exchange) end(cut bool) {
	e.once.Do(func() { e.report(append(e.verdict.violations, e.judgeBody(cut)...)) })
}

func (e *exchange) judgeBody(cut bool) []Violation {
	body := e.body.Bytes()
	switch {
	case e.stream != nil && cut:
		return e.stream.EndAs(Aborted)
	case e.stream != nil:
		return e.stream.End()
	case cut || len(body) > keptBody:
		return nil
	case e.status >= http.StatusBadRequest:
		return e.judge.Error(e.status, body, e.options)
	case e.counts:
		return nil
	default:
		return e.judge.Answer(body, e.options)
	}
}
