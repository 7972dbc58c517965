package openai

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

// responding is a call that goes to the upstream's Responses API, in the client's own words. One
// goroutine has it.
type responding struct {
	*attempt
	following responsesAnswer
	header    http.Header // of the answer, as far as clients are to see it
	headed    bool        // an event with Begin has been sent
	// bare: the answer is whole where a stream was asked for, so its own bytes are of no use.
	bare bool
}

// takesResponses tells whether a call can go to the upstream's Responses API as it came. The first
// such request asks whether there is one.
func (d *Driver) takesResponses(ctx context.Context, call *upstream.Call) bool {
	if hasUnreadable(call.Request.Source.JSON) {
		return false
	}
	d.findResponses(ctx, call.Credential, false)
	return d.responses.state() == served
}

// respond makes the call in the Responses API and yields its events; nil when the answer was
// complete or the consumer has left. sent is false where it can't be made there, or the upstream
// turns out not to serve the API: then nothing has been yielded.
func (a *attempt) respond(ctx context.Context) (failure *upstream.Failure, sent bool) {
	if !a.driver.takesResponses(ctx, a.call) {
		return nil, false
	}
	a.await()
	body, ok := a.driver.editResponses(a.call)
	if !ok {
		return nil, false
	}
	a.speaks = responsesDialect
	address := *a.driver.responsesURL
	address.RawQuery = strings.Trim(address.RawQuery+"&"+a.call.Request.Source.Query, "&")
	request := post(egress.Through(ctx, a.call.Credential.Proxy), &address, responsesHeader(a.call), body)
	response, err := a.driver.transport.RoundTrip(request)
	if err != nil {
		return a.interrupted(ctx, err, upstream.SignUnreachable), true
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		failure, said := a.refusedSaying(ctx, response)
		if a.driver.settings.quirks.responses == auto && routeMissing(response.StatusCode, said) {
			if hasErrorObject(said) || response.StatusCode != http.StatusNotFound {
				a.driver.responses.learn(missing)
			} else {
				a.driver.responses.doubt()
			}
			a.speaks = ""
			return nil, false
		}
		return failure, true
	}
	plain, err := wire.Unpacked(response.Header, response.Body)
	if err != nil {
		return a.interrupted(ctx, err, upstream.SignLost), true
	}
	r := responding{attempt: a, header: shownHeaders(response.Header)}
	return r.read(ctx, plain, response.ContentLength), true
}

// responsesHeader are the headers of a request: the client's go on.
func responsesHeader(call *upstream.Call) http.Header {
	header := make(http.Header, 8)
	for name, values := range call.Request.Source.Header {
		header[name] = values
	}
	header["Accept-Encoding"] = identity
	if len(header["User-Agent"]) == 0 {
		header["User-Agent"] = userAgent
	}
	header["Accept"] = jsonType
	if call.Request.Stream {
		header["Accept"] = acceptStream
	}
	authorize(header, call.Credential)
	return header
}

// responsesHeaders are the upstream's that are for a client of the Responses API, by the names
// that they have there. What names the account, or tells of the limits of one token, is not among
// them.
var responsesHeaders = map[string]string{
	"Openai-Model":         "Openai-Model",
	"Openai-Processing-Ms": "Openai-Processing-Ms",
	"Openai-Version":       "Openai-Version",
	"X-Codex-Turn-State":   "X-Codex-Turn-State",
	"X-Models-Etag":        "X-Models-Etag",
	"X-Reasoning-Included": "X-Reasoning-Included",
	"X-Request-Id":         "X-Upstream-Request-Id",
}

func shownHeaders(header http.Header) http.Header {
	shown := http.Header{}
	for theirs, ours := range responsesHeaders {
		if values := header[theirs]; len(values) > 0 {
			shown[ours] = values
		}
	}
	return shown
}

// untranslatable is the failure of a request of the Responses API that the upstream can't be sent
// otherwise either; nil: it can.
func (d *Driver) untranslatable(request *chat.Request) *upstream.Failure {
	refused := func(field, why string) *upstream.Failure {
		return &upstream.Failure{Class: upstream.CallerFault, Rule: "no Responses API", Param: field, Message: why}
	}
	if fault := request.HistoryFault; fault != nil {
		return refused(fault.Param, fault.Message)
	}
	for ask := range request.Needs() {
		if !d.Carries(ask.Need) {
			return refused(ask.Field, "the upstream can't be sent the request in the Responses API, and `"+ask.Field+"` can't be carried otherwise: leave it out")
		}
	}
	for i := range request.Messages {
		for j := range request.Messages[i].Parts {
			if hasPart(&request.Messages[i].Parts[j], isDocumentElsewhere) {
				return refused(request.Place(i, j), elsewhere)
			}
		}
	}
	return nil
}

// read yields an answer in the form that was asked for, whatever form it has.
func (r *responding) read(ctx context.Context, body io.Reader, length int64) *upstream.Failure {
	events, first, length, err := wire.Open(body, length)
	if err != nil {
		return r.interrupted(ctx, err, upstream.SignLost)
	}
	defer events.Release()
	if first != '{' && first != '[' {
		return r.stream(ctx, events)
	}
	data, err := wire.ReadAll(events.Unread(), length, wire.MaxAnswer)
	r.watch.Arrived()
	switch {
	case errors.Is(err, wire.ErrTooLarge):
		return cutShort(upstream.SignGarbled, tooLarge)
	case err != nil:
		return r.interrupted(ctx, err, upstream.SignLost)
	}
	r.bare = r.call.Request.Stream
	return r.whole(bytes.TrimPrefix(data, byteOrderMark))
}

// stream yields an answer that comes event by event.
func (r *responding) stream(ctx context.Context, events *eventstream.Reader) *upstream.Failure {
	for {
		got, err := r.watch.Next(events, r.driver.settings.idle)
		switch {
		case err == io.EOF: //nolint:errorlint // the reader never wraps it
			return r.endedEarly(events.Stray())
		case err != nil:
			return r.interrupted(ctx, err, upstream.SignLost)
		}
		if data := bytes.TrimLeft(got.Data, " \t\r\n"); len(data) == 0 || data[0] != '{' {
			r.keepWords(data)
			continue
		}
		if r.call.Request.Stream { // what becomes a whole answer has the time of one
			r.watch.Arrived()
		}
		_, more := events.Upcoming()
		ended, failure := r.frame(got, more)
		if failure != nil || r.left {
			return failure
		}
		if ended { // whatever follows
			wire.Drain(events, r.watch)
			return nil
		}
	}
}

// frame yields what one event says; ended: it was the last of the answer.
func (r *responding) frame(got eventstream.Event, more bool) (ended bool, failure *upstream.Failure) {
	f, ok := readResponseFrame(got.Data)
	switch {
	case !ok:
		return false, cutShort(upstream.SignGarbled, "an event of the answer is not valid JSON")
	case f.failure != nil:
		return false, r.reported(f.failure)
	case string(got.Name) == "error":
		return false, r.reported(got.Data)
	}
	var events []chat.Event
	switch f.kind {
	case answerCompleted, answerCut, answerFailed, answerCancelled:
		if !r.call.Request.Stream {
			return true, r.whole(f.response)
		}
		if events, failure = r.ended(f.response); failure != nil {
			return false, failure
		}
		ended = true
	default:
		if !r.call.Request.Stream {
			return false, nil // the end has it all
		}
		if events = r.following.take(&f); r.following.fault != "" {
			return false, cutShort(upstream.SignGarbled, r.following.fault)
		}
	}
	r.said = r.following.said
	if len(events) == 0 {
		events = append(r.following.events, chat.Event{})
		r.following.events = events
	}
	name := f.kind
	if len(got.Name) > 0 && string(got.Name) != name {
		name = string(got.Name)
	}
	for i := range events {
		events[i].Raw.Dialect, events[i].Raw.Name = responsesDialect, name
	}
	events[0].Raw.JSON = got.Data
	r.pass(events, more || ended)
	return ended, nil
}

// ended returns the events of an answer's end, which has the whole answer.
func (r *responding) ended(data []byte) ([]chat.Event, *upstream.Failure) {
	response, ok := readResponse(data)
	switch {
	case !ok:
		return nil, cutShort(upstream.SignGarbled, "the end of the answer does not have the answer")
	case response.failure != nil:
		return nil, r.reported(response.failure)
	case response.status == "failed" || response.status == "cancelled":
		return nil, r.reported(nil, upstream.SignCut)
	}
	events := r.following.end(&response)
	produced := r.following.said || response.usage != nil && response.usage.Completion > 0
	if (response.status == "completed" || response.status == "") && !produced {
		return nil, cutShort(upstream.SignEmpty, "the answer is empty")
	}
	return events, nil
}

// whole yields an answer that is whole.
func (r *responding) whole(data []byte) *upstream.Failure {
	response, ok := readResponse(data)
	switch {
	case !ok && isList(data):
		if failure := r.remark(bytes.TrimLeft(data, " \t\r\n")); failure != nil {
			return failure
		}
		return cutShort(upstream.SignGarbled, "the answer is a list")
	case !ok:
		return cutShort(upstream.SignGarbled, "the answer is not valid JSON")
	case !response.listed && response.failure == nil:
		return r.reported(data, upstream.SignGarbled)
	}
	events, failure := r.ended(data)
	if failure != nil {
		return failure
	}
	if !r.bare {
		for i := range events {
			events[i].Raw.Dialect = responsesDialect
		}
		events[0].Raw = chat.Raw{Dialect: responsesDialect, JSON: data, Whole: true}
	}
	r.pass(events, true) // the end is here
	return nil
}

// pass yields events, unless the consumer has left.
func (r *responding) pass(events []chat.Event, more bool) {
	for i := range events {
		event := &events[i]
		event.More = more || i < len(events)-1
		if !r.headed {
			event.Begin, r.headed = &chat.Beginning{Header: r.header}, true
		}
		if r.left = r.left || !r.yield(*event, nil); r.left {
			return
		}
	}
}
