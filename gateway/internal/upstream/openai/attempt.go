package openai

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

const (
	// drainTime and drainBytes bound what is spent, after an answer, on getting
	// its connection ready for the next: usually the end is there already.
	drainTime  = 250 * time.Millisecond
	drainBytes = 64 << 10
)

// attempt is one call on its way. One goroutine has it.
type attempt struct {
	driver *Driver
	call   *upstream.Call
	yield  func(chat.Event, error) bool
	// left: the consumer wants no more; nothing may be yielded.
	left bool
	// caller is the context as it came, watch's is made from it.
	caller context.Context //nolint:containedctx // an attempt lives no longer than one call of run
	watch  *watch
	chunks chunkParser

	progress
}

// progress is how far an answer has come.
type progress struct {
	said     bool        // something, perhaps in a form that events don't name
	finished bool        // a finish reason has been yielded
	usage    *chat.Usage // the latest counts that have not been yielded
	counted  bool        // counts have been yielded
}

// run makes the call and yields its events; nil when the answer was complete or
// the consumer has left.
func (a *attempt) run(ctx context.Context) *upstream.Failure {
	a.caller = ctx
	ctx, a.watch = newWatch(ctx)
	defer a.watch.stop()
	// This wait lasts until the first event has come, or all of an answer that is
	// not streamed.
	if a.call.Request.Stream {
		a.watch.wait(a.driver.settings.firstByte)
	} else {
		a.watch.wait(a.driver.settings.answer)
	}
	response, err := a.driver.transport.RoundTrip(a.driver.newRequest(ctx, a.call))
	if err != nil {
		return a.interrupted(ctx, err, upstream.SignUnreachable)
	}
	defer func() { _ = response.Body.Close() }()
	switch kind := contentType(response.Header); {
	case response.StatusCode != http.StatusOK:
		return a.refused(ctx, response)
	case kind == "text/html":
		return signed(upstream.SignPage, response.StatusCode, "the upstream answered with a page instead of an answer: is its base_url right?", nil)
	case kind == "text/event-stream", a.call.Request.Stream && !strings.HasSuffix(kind, "json"):
		return a.stream(ctx, response.Body)
	default:
		return a.whole(ctx, response)
	}
}

func contentType(header http.Header) string {
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

// stream yields an answer event by event.
func (a *attempt) stream(ctx context.Context, body io.Reader) *upstream.Failure {
	events := newEventReader(body)
	defer events.release()
	events.watch = a.watch
	for {
		got, err := events.next()
		switch {
		case err == io.EOF && a.finished: //nolint:errorlint // the reader never wraps it
			return a.end()
		case err == io.EOF: //nolint:errorlint // as above
			return cutShort(upstream.SignCut, "the answer ended early")
		case err != nil:
			return a.interrupted(ctx, err, upstream.SignLost)
		}
		events.limit = a.driver.settings.idle
		if isDone(got.data) {
			failure := a.end()
			a.drain(events)
			return failure
		}
		event, failure := a.read(got)
		if failure != nil {
			return failure
		}
		event.More = more(events)
		if !a.send(event) {
			return nil
		}
	}
}

// more tells whether the next event is here, or the end of the stream is.
func more(events *eventReader) bool {
	data, ok := events.upcoming()
	return ok && (!isDone(data) || events.drained())
}

// read turns a server event into an event, and takes note of it.
func (a *attempt) read(got serverEvent) (chat.Event, *upstream.Failure) {
	p := a.chunks.parse(got.data)
	switch {
	case p.failure != nil && !p.malformed:
		return chat.Event{}, a.reported(p.failure)
	case string(got.name) == "error":
		return chat.Event{}, a.reported(got.data)
	case p.malformed:
		return chat.Event{}, cutShort(upstream.SignGarbled, "an event of the answer is not valid JSON")
	}
	a.said = a.said || p.said
	event := p.event
	event.Raw = chat.Raw{Dialect: dialect, JSON: got.data}
	if p.onlyText() {
		event.Raw.TextFrom, event.Raw.TextTo = p.text.from, p.text.to
	}
	switch {
	case a.finished:
		event.Finish = chat.Unfinished // some upstreams say it twice
	case event.Finish == chat.Stop && !a.said:
		return chat.Event{}, cutShort(upstream.SignEmpty, "the answer is empty")
	case event.Finish != chat.Unfinished:
		a.finished = true
	}
	if event.Usage != nil { // some upstreams count as they go: only the last count is true
		a.usage = event.Usage
		if !a.finished || a.counted {
			event.Usage = nil
		} else {
			a.counted = true
		}
	}
	return event, nil
}

// end completes an answer that has come to its end, with what the contract wants
// and the upstream has not said in its place.
func (a *attempt) end() *upstream.Failure {
	var event chat.Event
	switch {
	case !a.finished && !a.said:
		return cutShort(upstream.SignEmpty, "the answer is empty")
	case !a.finished:
		event.Finish = chat.Stop
	}
	if !a.counted {
		event.Usage = a.usage
	}
	if event.Finish != chat.Unfinished || event.Usage != nil {
		a.send(event)
	}
	return nil
}

func (a *attempt) send(event chat.Event) bool {
	if !a.left && !a.yield(event, nil) {
		a.left = true
	}
	return !a.left
}

// drain reads to the end of a stream that has said its last, so that the
// connection can be used again. Of an upstream that keeps it open, the
// connection is given up.
func (a *attempt) drain(events *eventReader) {
	if a.left || events.err != nil {
		return
	}
	a.watch.wait(drainTime)
	defer a.watch.arrived()
	for read := 0; read < drainBytes; {
		n, err := events.source.Read(events.buf)
		if err != nil {
			return
		}
		read += n
	}
}

// interrupted is the failure of a connection; sign is what it shows when no one on
// our side has ended it.
func (a *attempt) interrupted(ctx context.Context, err error, sign string) *upstream.Failure {
	if end := a.caller.Err(); end != nil {
		if errors.Is(end, context.DeadlineExceeded) {
			return signed(upstream.SignLate, 0, "the request took too long", end)
		}
		return signed(upstream.SignHungUp, 0, "the client hung up", end)
	}
	if slow, yes := tooSlow(ctx); yes {
		return signed(upstream.SignSilent, 0, "the upstream was silent for "+slow.limit.String(), slow)
	}
	switch {
	case errors.Is(err, errEventTooLarge):
		return cutShort(upstream.SignGarbled, errEventTooLarge.Error())
	case sign == upstream.SignUnreachable:
		return signed(sign, 0, "the upstream can't be reached, or hangs up", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		sign = upstream.SignCut
	}
	return signed(sign, http.StatusOK, "the connection to the upstream broke", err)
}

// cutShort is the failure of an answer that began well and is none.
func cutShort(sign, message string) *upstream.Failure {
	return signed(sign, http.StatusOK, message, nil)
}

// signed is a failure of which the upstream said nothing.
func signed(sign string, status int, message string, err error) *upstream.Failure {
	failure := failures.Fail(upstream.Complaint{Status: status, Names: []string{sign}})
	failure.Message, failure.Err = message, err
	return failure
}
