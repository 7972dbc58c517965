package openai

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"
)

const (
	// maxEvent bounds an event's size, and so what a reader can hold. Chunks are
	// below 1 KiB; one with an image or a file in it has some MiB.
	maxEvent = 8 << 20
	// freshBuffer is what a reader begins with; a buffer that grew is not reused.
	freshBuffer = 16 << 10
	// tightBuffer is how little room makes a reader move what it holds.
	tightBuffer = 4 << 10
)

// errEventTooLarge ends a stream with an event of more than maxEvent.
var errEventTooLarge = errors.New("an event is larger than 8 MiB")

// serverEvent is one event of a stream. Its bytes are the reader's, and valid
// until the next one is asked for.
type serverEvent struct {
	name, data []byte
}

// eventReader cuts a stream of server-sent events, in any of its legal forms,
// into events. It reads as much as there is at once and copies only what is cut
// off by the end of its buffer, so that it can tell whether the next event has
// arrived already. Comments and unknown fields are skipped; an event that the
// stream's end cuts off is dropped, as the standard demands.
type eventReader struct {
	source io.Reader
	// watch, when set, bounds how long an event may take to arrive: as long as
	// limit, or without one to the end of the wait that goes on already.
	watch *watch
	limit time.Duration

	buf []byte
	end int   // buf[:end] has been read
	err error // what the source ended with

	begin   int  // the earliest byte that the event in the making needs
	line    int  // where the current line begins
	scan    int  // up to here there is no line end
	afterCR bool // a line feed would belong to the line before
	started bool // a byte order mark can't come any more

	name, data span // of the event in the making
	hasData    bool
	ready      bool // the event in the making is complete
}

// span is a part of the buffer.
type span struct{ from, to int }

var readers = sync.Pool{New: func() any { return &eventReader{buf: make([]byte, freshBuffer)} }}

// newEventReader borrows a reader; release gives it back.
func newEventReader(source io.Reader) *eventReader {
	r := readers.Get().(*eventReader)
	r.source = source
	return r
}

// release ends the use of the reader and of its events.
func (r *eventReader) release() {
	if len(r.buf) == freshBuffer {
		*r = eventReader{buf: r.buf}
		readers.Put(r)
	}
}

// next answers the next event with data. io.EOF is the stream's proper end.
func (r *eventReader) next() (serverEvent, error) {
	if !r.ready {
		if err := r.await(); err != nil {
			return serverEvent{}, err
		}
	}
	event := serverEvent{r.buf[r.name.from:r.name.to], r.buf[r.data.from:r.data.to]}
	r.name, r.data, r.hasData, r.ready = span{}, span{}, false, false
	r.begin = r.line
	r.ready = r.parse()
	return event, nil
}

// await reads until there is an event.
func (r *eventReader) await() error {
	if r.parse() {
		return nil
	}
	if r.watch != nil {
		if r.limit > 0 {
			r.watch.wait(r.limit)
		}
		defer r.watch.arrived()
	}
	for {
		if err := r.fill(); err != nil {
			return err
		}
		if r.parse() {
			return nil
		}
	}
}

// upcoming answers the event that next will answer, if it has arrived.
func (r *eventReader) upcoming() (data []byte, ok bool) {
	return r.buf[r.data.from:r.data.to], r.ready
}

// drained tells whether the stream is known to have ended properly.
func (r *eventReader) drained() bool { return r.err == io.EOF } //nolint:errorlint // never wrapped: set by fill

// parse goes over what has been read until an event is complete.
func (r *eventReader) parse() bool {
	for {
		if r.afterCR && r.line < r.end {
			if r.buf[r.line] == '\n' {
				r.line++
			}
			r.afterCR = false
			r.scan = max(r.scan, r.line)
		}
		length := lineEnd(r.buf[r.scan:r.end])
		if length < 0 {
			r.scan = r.end
			return false
		}
		from, to := r.line, r.scan+length
		r.afterCR = r.buf[to] == '\r'
		r.line, r.scan = to+1, to+1
		if !r.started {
			r.started = true
			if bytes.HasPrefix(r.buf[from:to], byteOrderMark) {
				from += len(byteOrderMark)
			}
		}
		if from < to {
			r.field(from, to)
		} else if r.hasData {
			r.ready = true
			return true
		} else {
			r.name = span{}
		}
		if !r.hasData && r.name == (span{}) {
			r.begin = r.line // comments need not be kept
		}
	}
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// lineEnd is the index of the first line feed or carriage return, or -1.
func lineEnd(b []byte) int {
	feed := bytes.IndexByte(b, '\n')
	if feed >= 0 {
		b = b[:feed]
	}
	if carriage := bytes.IndexByte(b, '\r'); carriage >= 0 {
		return carriage
	}
	return feed
}

// field takes a line of the event. Data of several lines is moved together in
// place.
func (r *eventReader) field(from, to int) {
	name, value := r.buf[from:to], span{to, to}
	if colon := bytes.IndexByte(name, ':'); colon >= 0 {
		name = name[:colon]
		value.from = from + colon + 1
		if value.from < to && r.buf[value.from] == ' ' {
			value.from++
		}
	}
	switch string(name) {
	case "data":
		if !r.hasData {
			r.data, r.hasData = value, true
			return
		}
		r.buf[r.data.to] = '\n'
		r.data.to += 1 + copy(r.buf[r.data.to+1:], r.buf[value.from:value.to])
	case "event":
		r.name = value
	}
}

// fill reads once, after making room.
func (r *eventReader) fill() error {
	if r.err != nil {
		return r.err
	}
	if err := r.makeRoom(); err != nil {
		return err
	}
	for range 100 { // a reader that gives nothing that often is broken
		n, err := r.source.Read(r.buf[r.end:])
		r.end += n
		r.err = err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	r.err = io.ErrNoProgress
	return r.err
}

// makeRoom moves what is needed to the buffer's beginning, or to a larger one.
func (r *eventReader) makeRoom() error {
	if r.begin == r.end || len(r.buf)-r.end < tightBuffer && r.begin > 0 {
		copy(r.buf, r.buf[r.begin:r.end])
		r.shift(r.begin)
	}
	if r.end < len(r.buf) {
		return nil
	}
	if len(r.buf) >= maxEvent {
		return errEventTooLarge
	}
	grown := make([]byte, min(2*len(r.buf), maxEvent))
	copy(grown, r.buf[:r.end])
	r.buf = grown
	return nil
}

func (r *eventReader) shift(by int) {
	r.begin, r.line, r.scan, r.end = r.begin-by, r.line-by, r.scan-by, r.end-by
	if r.hasData {
		r.data.from, r.data.to = r.data.from-by, r.data.to-by
	}
	if r.name != (span{}) {
		r.name.from, r.name.to = r.name.from-by, r.name.to-by
	}
}
