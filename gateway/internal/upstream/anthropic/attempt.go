package anthropic

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/gateway/internal/upstream/eventstream"
	"carousel.internal/gateway/internal/upstream/wire"
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
	watch  *wire.Watch
	header http.Header // of the answer, as far as clients are to see it
	// bare: the answer has another form than the one that was asked for, so its own bytes
	// are of no use.
	bare   bool
	answer answer
	shape  shape
	headed bool // an event with Begin has been sent
	// words are the first of the upstream's that are no event; nil: there were none.
	words []byte
	tools sentTools
}

// run makes the call and yields its events; nil when the answer was complete or
// the consumer has left.
func (a *attempt) run(ctx context.Context) *upstream.Failure {
	a.caller = ctx
	ctx, a.watch = wire.NewWatch(ctx)
	defer a.watch.Stop()
	if a.call.Request.Stream {
		a.watch.Wait(a.driver.settings.firstByte)
	} else {
		a.watch.Wait(a.driver.settings.answer)
	}
	var request *http.Request
	request, a.tools = a.driver.newRequest(egress.Through(ctx, a.call.Credential.Proxy), a.call)
	response, err := a.driver.transport.RoundTrip(request)
	if err != nil {
		return a.interrupted(ctx, err, upstream.SignUnreachable)
	}
	defer func() { _ = response.Body.Close() }()
	a.receive(response.Header)
	if response.StatusCode != http.StatusOK {
		return a.refused(ctx, response)
	}
	body, err := wire.Unpacked(response.Header, response.Body)
	if err != nil {
		return a.interrupted(ctx, err, upstream.SignLost)
	}
	return a.read(ctx, body, response.ContentLength)
}

// read yields an answer whatever form it has: its first bytes say that.
func (a *attempt) read(ctx context.Context, body io.Reader, length int64) *upstream.Failure {
	events, first, length, err := wire.Open(body, length)
	if err != nil {
		return a.interrupted(ctx, err, upstream.SignLost)
	}
	defer events.Release()
	if first == '{' {
		a.bare = a.call.Request.Stream
		return a.whole(ctx, events.Unread(), length)
	}
	a.bare = !a.call.Request.Stream
	return a.stream(ctx, events)
}

// stream yields an answer that comes event by event.
func (a *attempt) stream(ctx context.Context, events *eventstream.Reader) *upstream.Failure {
	for {
		got, err := a.watch.Next(events, a.driver.settings.idle)
		switch {
		case err == io.EOF && a.answer.stopped: //nolint:errorlint // the reader never wraps it
			return nil
		case err == io.EOF: //nolint:errorlint // as above
			return a.endedEarly(events.Stray())
		case err != nil && a.answer.stopped && a.caller.Err() == nil:
			return nil
		case err != nil:
			return a.interrupted(ctx, err, upstream.SignLost)
		}
		if !a.isFrame(got.Data) {
			continue
		}
		if !a.bare { // what becomes a whole answer has the time of one
			a.watch.Arrived()
		}
		_, more := events.Upcoming()
		failure := a.frame(got, more || events.Ended())
		if failure != nil || a.left {
			return failure
		}
		if a.answer.stopped {
			wire.Drain(events, a.watch)
			return nil
		}
	}
}

// isFrame tells whether an event may be one of the API's. What is no object is none: an end
// mark of another API, or words, which are kept.
func (a *attempt) isFrame(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) > 0 && data[0] != '{' && a.words == nil {
		a.words = bytes.Clone(data[:min(len(data), maxWords)])
	}
	return len(data) > 0 && data[0] == '{'
}

// frame yields what one server-sent event says.
func (a *attempt) frame(got eventstream.Event, more bool) *upstream.Failure {
	f, ok := a.shape.parse(got.Data)
	switch {
	case !ok:
		return cutShort(upstream.SignGarbled, "an event of the answer is not valid JSON")
	case f.kind == "error" || string(got.Name) == "error":
		return a.reported(got.Data)
	}
	events := a.answer.take(f)
	switch {
	case a.answer.empty():
		return cutShort(upstream.SignEmpty, "the answer is empty")
	case a.answer.fault != "" && !a.native():
		return cutShort(upstream.SignGarbled, a.answer.fault)
	}
	if !a.bare {
		if len(events) == 0 {
			a.answer.events = append(events, chat.Event{})
			events = a.answer.events
		}
		name := f.kind // clients skip an event without a name
		if len(got.Name) > 0 && string(got.Name) != name {
			name = string(got.Name)
		}
		for i := range events {
			events[i].Raw.Dialect, events[i].Raw.Name = dialect, name
		}
		events[0].Raw.JSON = got.Data
	}
	a.send(events, more)
	return nil
}

// native tells whether the client speaks the upstream's dialect, and so can be given what has
// no canonical form.
func (a *attempt) native() bool { return a.tools.names == nil && !a.bare }

// send yields events, unless the consumer has left.
func (a *attempt) send(events []chat.Event, more bool) {
	for i := range events {
		event := &events[i]
		event.More = more || i < len(events)-1
		if !a.headed && event.Begin == nil && len(a.header) > 0 { // a ping comes first
			event.Begin = &chat.Beginning{}
		}
		if event.Begin != nil && !a.headed {
			event.Begin.Header, a.headed = a.header, true
		}
		a.tools.own(event)
		if a.left = a.left || !a.yield(*event, nil); a.left {
			return
		}
	}
}

// endedEarly is the failure of an answer without an end. Stray are the lines that were
// no event: an error, or words where an answer should be.
func (a *attempt) endedEarly(stray []byte) *upstream.Failure {
	words := bytes.TrimSpace(stray)
	if len(words) == 0 {
		words = a.words
	}
	if len(words) > 0 && !a.answer.begun {
		return a.reported(words, upstream.SignCut)
	}
	return cutShort(upstream.SignCut, "the answer ended early")
}

// whole yields an answer that has come as one object.
func (a *attempt) whole(ctx context.Context, body io.Reader, length int64) *upstream.Failure {
	data, err := wire.ReadAll(body, length, wire.MaxAnswer)
	a.watch.Arrived()
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		return cutShort(upstream.SignGarbled, "the answer is larger than 32 MiB")
	case err != nil:
		return a.interrupted(ctx, err, upstream.SignLost)
	}
	message, ok := parseMessage(data)
	switch {
	case !ok:
		return cutShort(upstream.SignGarbled, "the answer is not valid JSON")
	case message.kind != "message":
		return a.reported(data, upstream.SignGarbled)
	}
	events := a.answer.takeWhole(&message)
	if a.answer.empty() {
		return cutShort(upstream.SignEmpty, "the answer is empty")
	}
	if !a.bare {
		for i := range events {
			events[i].Raw.Dialect = dialect
		}
		events[0].Raw = chat.Raw{Dialect: dialect, JSON: data, Whole: true}
	}
	a.send(events, true) // the end is here
	return nil
}

// receive takes in the head of an answer.
func (a *attempt) receive(header http.Header) {
	a.header = a.driver.shown(header)
	if group := groupOf(header); group != "" && a.call.Grouped != nil {
		a.call.Grouped(group)
	}
}

// shown are the headers that a client of the same dialect is to see. What names the
// organisation of a key is nobody's business.
func (d *Driver) shown(header http.Header) http.Header {
	shown := http.Header{}
	for name, values := range header {
		lower := strings.ToLower(name)
		switch {
		case lower == "request-id", lower == "x-should-retry":
		case lower == "anthropic-organization-id", lower == "anthropic-workspace-id":
			continue
		case strings.HasPrefix(lower, "anthropic-ratelimit-"):
			if !d.settings.limitHeaders {
				continue
			}
		case !strings.HasPrefix(lower, "anthropic-"):
			continue
		}
		shown[name] = values
	}
	return shown
}

func (a *attempt) interrupted(ctx context.Context, err error, sign string) *upstream.Failure {
	return wire.Interrupted(failures, a.caller, ctx, err, sign)
}

func cutShort(sign, message string) *upstream.Failure { return wire.CutShort(failures, sign, message) }
