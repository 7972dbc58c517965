package openai

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
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
	chunks chunkParser
	mender mender
	// naming knows the client's names of the tools in the request.
	naming naming
	// speaks is the dialect that the upstream answers in; empty: its usual one.
	speaks string
	// joining takes the chunks of a stream that was not asked for; else nil.
	joining *joining

	progress
}

// progress is how far an answer has come.
type progress struct {
	said     bool        // something, perhaps in a form that events don't name
	finished bool        // a finish reason has come
	begun    indexSet    // the choices that have been seen
	ended    indexSet    // those of which the finish reason has come
	spent    bool        // the upstream has counted what it has produced
	usage    *chat.Usage // the latest counts that have not been yielded
	counted  bool        // counts have been yielded
	// words are the first of the upstream's that are no chunk; nil: there were none.
	words []byte
	// held are the events of an end without an answer: counts that follow may tell that
	// there was one.
	held []upstream.Flat
	// promised: the latest event told that more is here.
	promised bool
	blocks   upstream.Blocks
}

// complete tells whether all choices have come to their ends.
func (p *progress) complete() bool { return p.finished && p.ended.covers(p.begun) }

// run makes the call and yields its events; nil when the answer was complete or
// the consumer has left.
func (a *attempt) run(ctx context.Context) *upstream.Failure {
	a.caller = ctx
	ctx, a.watch = wire.NewWatch(ctx)
	defer a.watch.Stop()
	if a.call.Request.Source.Dialect == responsesDialect {
		if failure, sent := a.respond(ctx); sent {
			return failure
		}
		if failure := a.driver.untranslatable(a.call.Request); failure != nil {
			return failure
		}
	}
	a.await()
	var request *http.Request
	request, a.naming = a.driver.newRequest(egress.Through(ctx, a.call.Credential.Proxy), a.call)
	response, err := a.driver.transport.RoundTrip(request)
	if err != nil {
		return a.interrupted(ctx, err, upstream.SignUnreachable)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return a.refused(ctx, response)
	}
	body, err := wire.Unpacked(response.Header, response.Body)
	if err != nil {
		return a.interrupted(ctx, err, upstream.SignLost)
	}
	return a.answer(ctx, body, response.ContentLength)
}

// await begins the wait for the upstream, which lasts until the first event has come, or all of an
// answer that is not streamed.
func (a *attempt) await() {
	if a.call.Request.Stream {
		a.watch.Wait(a.driver.settings.firstByte)
	} else {
		a.watch.Wait(a.driver.settings.answer)
	}
}

// answer yields an answer in the form that was asked for, whatever form it has.
func (a *attempt) answer(ctx context.Context, body io.Reader, length int64) *upstream.Failure {
	events, first, length, err := wire.Open(body, length)
	if err != nil {
		return a.interrupted(ctx, err, upstream.SignLost)
	}
	defer events.Release()
	if first == '{' || first == '[' {
		return a.whole(ctx, events.Unread(), length)
	}
	if !a.call.Request.Stream {
		a.joining = &joining{}
	}
	return a.stream(ctx, events)
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// keepWords keeps what the upstream says where an answer should be, if it is the first.
func (a *attempt) keepWords(words []byte) {
	if words = bytes.TrimSpace(words); a.words == nil && len(words) > 0 {
		a.words = bytes.Clone(words[:min(len(words), maxWords)])
	}
}

// maxWords bounds what is kept of an upstream's words; a client is shown less.
const maxWords = 4 << 10

// stream yields an answer that comes event by event.
func (a *attempt) stream(ctx context.Context, events *eventstream.Reader) *upstream.Failure {
	for {
		got, err := a.watch.Next(events, a.driver.settings.idle)
		switch {
		case err == io.EOF && a.complete(): //nolint:errorlint // the reader never wraps it
			return a.end()
		case err == io.EOF: //nolint:errorlint // as above
			return a.endedEarly(events.Stray())
		case err != nil && a.complete() && a.caller.Err() == nil:
			return a.end() // all is there but perhaps the counts
		case err != nil:
			return a.interrupted(ctx, err, upstream.SignLost)
		}
		if a.goOn(got, events) {
			if a.left {
				return nil
			}
			continue
		}
		if isDone(got.Data) {
			if !a.produced() {
				a.keepWords(events.Stray())
			}
			failure := a.end()
			if !a.left {
				wire.Drain(events, a.watch)
			}
			return failure
		}
		event, isChunk, failure := a.read(got)
		if failure != nil {
			return failure
		}
		if !isChunk { // no progress either: the wait goes on
			if failure := a.keepPromise(events); failure != nil {
				return failure
			}
			continue
		}
		// A stream that becomes a whole answer has the time of one.
		if a.joining == nil {
			a.watch.Arrived()
		}
		event.More = more(events)
		if failure := a.take(&event); failure != nil || a.left {
			return failure
		}
	}
}

// goOn yields the event of a chunk that goes on with the text that is open, and differs from an
// earlier one in nothing but its text: nearly all do. false: it is another one.
func (a *attempt) goOn(got eventstream.Event, events *eventstream.Reader) bool {
	block, open := a.blocks.InText()
	if !open || a.joining != nil || len(a.held) > 0 || len(a.mender.tails) > 0 || string(got.Name) == "error" {
		return false
	}
	text, raw, ok := a.chunks.raw(got.Data)
	if !ok {
		return false
	}
	a.watch.Arrived()
	a.said, a.promised = true, more(events)
	a.left = !a.yield(chat.Event{Text: text, Block: block, More: a.promised, Raw: raw}, nil)
	return true
}

// more tells whether the next chunk is here, or the end of the stream is.
func more(events *eventstream.Reader) bool {
	data, ok := events.Upcoming()
	switch {
	case !ok:
		return false
	case isDone(data):
		return events.Ended()
	default:
		return len(data) > 0 && data[0] == '{'
	}
}

// keepPromise sends on what waits for a chunk that turned out to be none.
func (a *attempt) keepPromise(events *eventstream.Reader) *upstream.Failure {
	if a.promised && !more(events) {
		return a.send(&upstream.Flat{})
	}
	return nil
}

// read turns a server event into an event, and takes note of it. What is no chunk is no
// fault: a sign of life in some form.
func (a *attempt) read(got eventstream.Event) (event upstream.Flat, isChunk bool, failure *upstream.Failure) {
	if string(got.Name) == "error" {
		return event, false, a.reported(got.Data)
	}
	if len(a.mender.tails) == 0 {
		if text, raw, ok := a.chunks.raw(got.Data); ok {
			a.said = true
			return upstream.Flat{Text: text, Raw: raw}, true, nil
		}
	}
	data := bytes.TrimLeft(got.Data, " \t\r\n")
	if len(data) == 0 || data[0] != '{' {
		return event, false, a.remark(data)
	}
	p := a.chunks.parseAll(got.Data)
	if p.delta && p.message {
		p = parseOnly(got.Data, "delta")
	}
	switch {
	case p.malformed && a.complete():
		return event, false, nil
	case p.malformed:
		return event, false, cutShort(upstream.SignGarbled, "an event of the answer is not valid JSON")
	case p.failure != nil:
		return event, false, a.reported(p.failure)
	case p.broke != nil:
		return event, false, a.brokenOff(p.broke)
	case !p.chunk && p.event.Usage == nil:
		if parseError(data).message != "" {
			a.keepWords(data)
		}
		return event, false, nil
	}
	data = got.Data
	if a.mender.wants(&p) {
		if mended := a.mender.mend(data); &mended[0] != &data[0] {
			begun, ended := p.begun, p.ended
			data, p = mended, parseOnly(mended, "delta")
			p.begun, p.ended = begun, ended
		}
	}
	return a.note(&p, data), true, nil
}

// remark takes what is no object: nothing, null, words; or a list with an error in it.
func (a *attempt) remark(data []byte) *upstream.Failure {
	switch {
	case blank(data) || len(data) == 0:
	case data[0] == '[':
		s := rawjson.Over(data)
		if s.Array() && s.Kind() == rawjson.Object {
			if p := parsePiece(s.Skip()); !p.malformed && p.failure != nil {
				return a.reported(p.failure)
			}
		}
	default:
		a.keepWords(data)
	}
	return nil
}

// note makes an event of a chunk.
func (a *attempt) note(p *piece, data []byte) upstream.Flat {
	a.said, a.spent = a.said || p.said, a.spent || p.spent
	event := p.event
	event.Raw = chat.Raw{Dialect: dialect, JSON: data}
	a.begun.join(p.begun)
	a.ended.join(p.ended)
	switch {
	case a.finished:
		event.Finish = chat.Unfinished // some upstreams say it twice
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
	return event
}

// take sends an event, or keeps it: for a whole answer, or until it is known that there
// is an answer.
func (a *attempt) take(event *upstream.Flat) *upstream.Failure {
	if a.joining != nil {
		if err := a.joining.add(event.Raw.JSON); err != nil {
			return cutShort(upstream.SignGarbled, tooLarge)
		}
		return nil
	}
	if (event.Finish == chat.Stop || len(a.held) > 0) && !a.produced() {
		if len(a.held) == maxHeld {
			return a.empty()
		}
		event.Raw.JSON = bytes.Clone(event.Raw.JSON)
		event.More = true
		a.held = append(a.held, *event)
		return nil
	}
	if failure := a.release(); failure != nil {
		return failure
	}
	return a.send(event)
}

// maxHeld bounds the events that are held.
const maxHeld = 16

// release sends what was held.
func (a *attempt) release() *upstream.Failure {
	held := a.held
	a.held = nil
	for i := range held {
		if failure := a.send(&held[i]); failure != nil {
			return failure
		}
	}
	return nil
}

// produced tells whether there is an answer: something has been said, or the upstream
// has counted what it was.
func (p *progress) produced() bool { return p.said || p.spent }

// end completes an answer that has come to its end, with what the contract wants
// and the upstream has not said in its place.
func (a *attempt) end() *upstream.Failure {
	if !a.produced() && (!a.finished || len(a.held) > 0) {
		return a.empty()
	}
	if a.joining != nil {
		return a.sendWhole(a.joining.whole())
	}
	if failure := a.release(); failure != nil {
		return failure
	}
	var event upstream.Flat
	if !a.finished {
		event.Finish = chat.Stop
	}
	if !a.counted {
		event.Usage = a.usage
	}
	if event.Finish == chat.Unfinished && event.Usage == nil {
		return nil
	}
	return a.send(&event)
}

// empty is the failure of an answer that says nothing. What the upstream says in its
// place counts.
func (a *attempt) empty() *upstream.Failure {
	if a.words != nil {
		return a.reported(a.words, upstream.SignEmpty)
	}
	return cutShort(upstream.SignEmpty, "the answer is empty")
}

// endedEarly is the failure of an answer without an end. Stray are the lines that were
// no event: an error, or words where an answer should be.
func (a *attempt) endedEarly(stray []byte) *upstream.Failure {
	if p := parsePiece(stray); !p.malformed && p.failure != nil {
		return a.reported(p.failure, upstream.SignCut)
	}
	a.keepWords(stray)
	if a.words != nil && !a.said {
		return a.reported(a.words, upstream.SignCut)
	}
	return cutShort(upstream.SignCut, "the answer ended early")
}

// send yields the events of a step, unless the consumer has left.
func (a *attempt) send(step *upstream.Flat) *upstream.Failure {
	a.promised = step.More
	events, err := a.blocks.Events(step)
	if err != nil {
		return cutShort(upstream.SignGarbled, err.Error())
	}
	for i := range events {
		a.naming.own(&events[i])
		if a.left = a.left || !a.yield(events[i], nil); a.left {
			break
		}
	}
	return nil
}

// interrupted is the failure of a connection; sign is what it shows when no one on
// our side has ended it.
func (a *attempt) interrupted(ctx context.Context, err error, sign string) *upstream.Failure {
	return wire.Interrupted(failures, a.caller, ctx, err, sign)
}

// cutShort is the failure of an answer that began well and is none.
func cutShort(sign, message string) *upstream.Failure { return wire.CutShort(failures, sign, message) }
