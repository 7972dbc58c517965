// Package eventstream reads server-sent events as the WHATWG HTML standard defines
// them: a byte order mark, three line ends, comments, fields, data of several lines.
// It is more lenient in one thing: the end of the stream ends the last event, whatever
// line ends it has. Who reads judges whether such an event is whole.
//
// The standard decodes UTF-8 first; here bytes stay as they came. The fields `id` and
// `retry`, which are for reconnecting, are passed over.
package eventstream

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

const (
	// freshBuffer is what a reader begins with; a buffer that grew is not reused.
	freshBuffer = 16 << 10
	// largeBuffer is what a reader keeps for its next event; beyond it, it gives its
	// room back.
	largeBuffer = 1 << 20
	// maxStray bounds what is kept of lines that are none of the format.
	maxStray = 4 << 10
	// tightBuffer is how little room makes a reader move what it holds.
	tightBuffer = 4 << 10
)

// ErrTooLarge ends a stream with an event that is larger than the reader's limit.
var ErrTooLarge = errors.New("an event of the stream is too large")

// Event is one event of a stream. Its bytes are the reader's, and valid until the next
// one is asked for.
type Event struct {
	// Name is the event's type; empty where it has none, which the standard calls
	// "message".
	Name []byte
	Data []byte
}

// Reader cuts a stream into events. It reads as much as there is at once and copies
// only what is cut off by the end of its buffer, so that it can tell whether the next
// event has arrived already. One goroutine uses it.
type Reader struct {
	source io.Reader
	limit  int // bytes of an event

	buf []byte
	end int   // buf[:end] has been read
	err error // what the source ended with

	begin   int  // the earliest byte that the event in the making needs
	line    int  // where the current line begins
	scan    int  // up to here there is no line end
	feeds   int  // up to here no line ends with a carriage return
	afterCR bool // a line feed would belong to the line before
	started bool // a byte order mark can't come any more

	name, data span // of the event in the making
	hasData    bool
	ready      bool // the event in the making is complete

	stray []byte
}

// span is a part of the buffer.
type span struct{ from, to int }

var readers = sync.Pool{New: func() any { return &Reader{buf: make([]byte, freshBuffer)} }}

// NewReader borrows a reader for events of at most limit bytes; Release gives it back.
func NewReader(source io.Reader, limit int) *Reader {
	r := readers.Get().(*Reader)
	r.source, r.limit = source, limit
	return r
}

// Release ends the use of the reader and of its events.
func (r *Reader) Release() {
	if len(r.buf) == freshBuffer {
		*r = Reader{buf: r.buf}
		readers.Put(r)
	}
}

// Peek returns the first bytes of a stream of which nothing has been taken: up to the
// first that is no white space, and what came with it. It returns fewer, and perhaps
// nothing but white space, where the stream ends, fails or begins with that much of it.
func (r *Reader) Peek() []byte {
	for len(bytes.TrimLeft(r.buf[:r.end], " \t\r\n")) == 0 && r.end < len(r.buf) {
		if r.fill() != nil {
			break
		}
	}
	return r.buf[:r.end]
}

// Unread returns the stream from its beginning, for a reader of which nothing has been
// taken, and which can't be used any more until its Release.
func (r *Reader) Unread() io.Reader {
	read := bytes.NewReader(r.buf[:r.end])
	if r.err != nil {
		return io.MultiReader(read, failing{r.err})
	}
	return io.MultiReader(read, r.source)
}

// failing is the end of a stream.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Next returns the next event, or io.EOF after the last. The source's error comes when
// the events before it have been taken; what it has cut off is dropped.
func (r *Reader) Next() (Event, error) {
	for !r.ready && !r.parse() {
		if err := r.fill(); err == io.EOF { //nolint:errorlint // never wrapped: set by fill
			if !r.endLast() {
				return Event{}, err
			}
		} else if err != nil {
			return Event{}, err
		}
	}
	event := Event{r.buf[r.name.from:r.name.to], r.buf[r.data.from:r.data.to]}
	r.name, r.data, r.hasData, r.ready = span{}, span{}, false, false
	r.begin = r.line
	r.ready = r.parse()
	return event, nil
}

// Upcoming returns the data of the event that Next will return, if it has arrived.
func (r *Reader) Upcoming() (data []byte, ok bool) {
	r.ready = r.ready || r.parse()
	return r.buf[r.data.from:r.data.to], r.ready
}

// Ended tells whether the stream is known to have ended properly.
func (r *Reader) Ended() bool { return r.err == io.EOF } //nolint:errorlint // never wrapped: set by fill

// Stray returns the beginning of the lines that were none of the format, which the
// standard ignores. Some servers, and what stands before them, say there what went
// wrong. It is valid until the next event is asked for.
func (r *Reader) Stray() []byte { return r.stray }

// Drain reads on, at most that many bytes, and tells whether the stream has ended.
func (r *Reader) Drain(most int) bool {
	for read := 0; r.err == nil && read < most; {
		n, err := r.source.Read(r.buf)
		read += n
		r.err = err
	}
	return r.Ended()
}

// parse goes over what has been read until an event is complete.
func (r *Reader) parse() bool {
	for {
		if r.afterCR && r.line < r.end {
			if r.buf[r.line] == '\n' {
				r.line++
			}
			r.afterCR = false
			r.scan = max(r.scan, r.line)
		}
		to := r.lineEnd()
		if to < 0 {
			r.scan = r.end
			return false
		}
		r.afterCR = r.buf[to] == '\r'
		from := r.line
		r.line, r.scan = to+1, to+1
		if r.takeLine(from, to) {
			return true
		}
	}
}

// takeLine takes a line without its end; true: it has completed an event.
func (r *Reader) takeLine(from, to int) bool {
	if !r.started {
		r.started = true
		if bytes.HasPrefix(r.buf[from:to], byteOrderMark) {
			from += len(byteOrderMark)
		}
	}
	switch {
	case from < to:
		r.takeField(from, to)
	case r.hasData:
		r.ready = true
		return true
	default:
		r.name = span{}
	}
	if !r.hasData && r.name == (span{}) {
		r.begin = r.line // comments need not be kept
	}
	return false
}

// endLast ends the line and the event that the end of the stream has cut; false: there
// is none.
func (r *Reader) endLast() bool {
	from := r.line
	r.line, r.scan = r.end, r.end
	if from < r.end {
		r.takeLine(from, r.end)
	}
	r.ready = r.hasData
	return r.ready
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// lineEnd is where the next line feed or carriage return stands, or -1. Most streams have none of
// the latter, which are looked for once in all that has been read.
func (r *Reader) lineEnd() int {
	to, feed := r.end, bytes.IndexByte(r.buf[r.scan:r.end], '\n')
	if feed >= 0 {
		to = r.scan + feed
	}
	if r.feeds < to {
		from := max(r.feeds, r.scan)
		carriage := bytes.IndexByte(r.buf[from:r.end], '\r')
		if carriage < 0 {
			r.feeds = r.end
		} else if r.feeds = from + carriage; r.feeds < to {
			return r.feeds
		}
	}
	if feed < 0 {
		return -1
	}
	return to
}

// takeField takes a line of the event. Data of several lines is moved together in
// place.
func (r *Reader) takeField(from, to int) {
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
	case "", "id", "retry":
	default:
		line := r.buf[from:min(to, from+maxStray-min(len(r.stray), maxStray))]
		r.stray = append(append(r.stray, line...), '\n')
	}
}

// fill reads once, after making room.
func (r *Reader) fill() error {
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

// makeRoom moves what is needed to the buffer's beginning, or to another one.
func (r *Reader) makeRoom() error {
	if r.begin == r.end && len(r.buf) > largeBuffer {
		r.move(make([]byte, freshBuffer))
	} else if r.begin == r.end || len(r.buf)-r.end < tightBuffer && r.begin > 0 {
		r.move(r.buf)
	}
	if r.end < len(r.buf) {
		return nil
	}
	if len(r.buf) >= r.limit {
		return ErrTooLarge
	}
	r.move(make([]byte, min(2*len(r.buf), r.limit)))
	return nil
}

// move copies what is needed to the beginning of a buffer.
func (r *Reader) move(to []byte) {
	copy(to, r.buf[r.begin:r.end])
	by := r.begin
	r.buf = to
	r.begin, r.line, r.scan, r.feeds, r.end = 0, r.line-by, r.scan-by, max(r.feeds-by, 0), r.end-by
	if r.hasData {
		r.data.from, r.data.to = r.data.from-by, r.data.to-by
	}
	if r.name != (span{}) {
		r.name.from, r.name.to = r.name.from-by, r.name.to-by
	}
}
