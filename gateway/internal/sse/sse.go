// Package sse writes a stream of server-sent events to one HTTP client: frames,
// flushes, heartbeats while nothing else is said, and a deadline that a client
// must keep reading by. It knows neither what the events mean nor gin.
package sse

import (
	"bytes"
	"net/http"
	"sync"
	"time"

	"carousel.internal/gateway/internal/gather"
)

// Defaults of Options.
const (
	DefaultHeartbeat    = 15 * time.Second
	DefaultWriteTimeout = 30 * time.Second
)

// Buffers grow to hold one burst; a larger one is sent in pieces, and a buffer
// that one huge event has stretched is not kept.
const (
	burstBytes = 16 << 10
	keepBytes  = 64 << 10
)

// heartbeat is a comment, and no empty line after it: to some clients each empty line is
// the end of an event, also where nothing but a comment came before it.
const heartbeat = ": still here\n"

func comment() string { return heartbeat }

// Options are the times of a stream. Zero means the default.
type Options struct {
	// Heartbeat is how long the stream may be silent, also before its first event, until a
	// comment is sent.
	Heartbeat time.Duration
	// WriteTimeout is how long the client may refuse to read before the
	// connection is given up. It is kept to a sixth: arming it costs a lock.
	WriteTimeout time.Duration
}

// Connection is what a response goes out by. Hold has what is written to it wait, at most until
// the response's end, or until Release writes it at once.
type Connection interface {
	Hold()
	Release() error
}

// Writer is one stream. One goroutine writes to it and closes it; heartbeats
// come from a timer, so there is no goroutine of its own.
type Writer struct {
	options    Options
	controller *http.ResponseController
	timer      *time.Timer
	connection Connection // nil: it can't hold anything

	mu        sync.Mutex
	w         http.ResponseWriter
	buffer    *bytes.Buffer
	lastFlush time.Time
	armed     time.Time // when the write deadline was last set
	sent      int64
	committed bool  // the headers are out, or about to be
	err       error // the first failed write; the stream is dead
	closed    bool
	heartbeat func() string
	// raw: what was sent last came as it is; midLine: it did not end a line.
	raw, midLine bool
}

var buffers = sync.Pool{New: func() any { return bytes.NewBuffer(make([]byte, 0, 4<<10)) }}

// Start begins a stream. Its headers, and with them status 200, go out with the first
// event or the first heartbeat, whichever is earlier: until then the response can be
// another one, when the stream has been given up. Nothing else touches the response
// meanwhile. The caller must Close the Writer, or have given it up, before its handler
// returns.
func Start(w http.ResponseWriter, options Options) *Writer {
	if options.Heartbeat <= 0 {
		options.Heartbeat = DefaultHeartbeat
	}
	if options.WriteTimeout <= 0 {
		options.WriteTimeout = DefaultWriteTimeout
	}
	stream := &Writer{
		options: options, controller: http.NewResponseController(w), w: w,
		buffer: buffers.Get().(*bytes.Buffer), lastFlush: time.Now(), heartbeat: comment,
	}
	stream.mu.Lock()
	defer stream.mu.Unlock()
	stream.timer = time.AfterFunc(options.Heartbeat, stream.beat)
	return stream
}

// GiveUp ends a stream of which nothing has been sent, nor is held back, and tells whether
// that was so: then the response is the caller's again.
func (s *Writer) GiveUp() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.committed || s.closed || s.buffer.Len() > 0 {
		return false
	}
	s.close()
	return true
}

// SetHeader adds a header to the response, if those aren't out yet.
func (s *Writer) SetHeader(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.committed && !s.closed {
		s.w.Header().Set(name, value)
	}
}

// Heartbeat sets what is sent from now on when all is silent, instead of a comment: whole
// lines, as next returns them each time, or nothing. next must not use the Writer.
func (s *Writer) Heartbeat(next func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heartbeat = next
}

// Gather has a burst leave by the connection in one write. It is called before the first event.
func (s *Writer) Gather(connection Connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connection = connection
}

// commit settles that the response is a stream.
func (s *Writer) commit() {
	s.committed = true
	header := s.w.Header()
	header["Content-Type"] = contentType
	header["Cache-Control"] = noCache
	header["X-Accel-Buffering"] = noBuffering
	s.w.WriteHeader(http.StatusOK)
}

// ContentType is that of a stream.
const ContentType = "text/event-stream"

// Header values are shared by all responses; net/http only reads them.
var (
	contentType = []string{ContentType}
	noCache     = []string{"no-cache"}
	noBuffering = []string{"no"} // nginx would gather events otherwise
)

// Data sends an event without a name. With more, the next event is known to
// follow at once and the two may share a flush. The payload is copied. The
// error is that of a client that is gone: writing on is useless.
func (s *Writer) Data(payload []byte, more bool) error { return s.Event("", payload, more) }

// Event is Data with a name for the event.
func (s *Writer) Event(name string, payload []byte, more bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.closed {
		return s.err
	}
	s.endRaw()
	frame := s.buffer.AvailableBuffer()
	if name != "" {
		frame = append(append(append(frame, "event: "...), name...), '\n')
	}
	s.buffer.Write(appendData(frame, payload))
	if more && s.buffer.Len() < burstBytes {
		return nil
	}
	return s.flush()
}

// appendData appends one `data:` line for each line of the payload, since a bare line break would
// end the event, and its end.
func appendData(frame, payload []byte) []byte {
	// Payloads are JSON: a line break is rare, so look for one at full speed.
	for bytes.IndexByte(payload, '\n') >= 0 || bytes.IndexByte(payload, '\r') >= 0 {
		end := bytes.IndexAny(payload, "\r\n")
		frame = append(append(append(frame, "data: "...), payload[:end]...), '\n')
		if payload[end] == '\r' && end+1 < len(payload) && payload[end+1] == '\n' {
			end++
		}
		payload = payload[end+1:]
	}
	return append(append(append(frame, "data: "...), payload...), "\n\n"...)
}

// Flush sends what is held back; with nothing held back it still commits the
// headers.
func (s *Writer) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.closed {
		return s.err
	}
	return s.flush()
}

// flush sends what is held back.
func (s *Writer) flush() error {
	held := s.hold()
	if s.write() == nil {
		s.err = s.controller.Flush()
	}
	if !held {
		return s.err
	}
	if err := s.connection.Release(); s.err == nil {
		s.err = err
	}
	return s.err
}

// hold has what is written next leave at once, where it would not by itself.
func (s *Writer) hold() bool {
	held := s.connection != nil && s.buffer.Len() > gather.OnePiece
	if held {
		s.connection.Hold()
	}
	return held
}

// write gives what is held back to net/http.
func (s *Writer) write() error {
	if !s.committed {
		s.commit()
	}
	now := time.Now()
	s.lastFlush = now
	if now.Sub(s.armed) > s.options.WriteTimeout/6 {
		s.armed = now
		// A writer without deadlines (a recorder) is no reason to fail.
		_ = s.controller.SetWriteDeadline(now.Add(s.options.WriteTimeout))
	}
	n, err := s.w.Write(s.buffer.Bytes())
	s.sent += int64(n)
	s.buffer.Reset()
	s.err = err
	return err
}

func (s *Writer) beat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.err != nil {
		return
	}
	silence := time.Since(s.lastFlush)
	if silence >= s.options.Heartbeat && !s.midLine {
		s.buffer.WriteString(s.heartbeat())
		if s.flush() != nil {
			return // the writer's next call learns of it
		}
		silence = 0
	}
	wait := s.options.Heartbeat - silence
	if wait <= 0 { // in the middle of a line
		wait = s.options.Heartbeat / 4
	}
	s.timer.Reset(wait)
}

// Sent is the number of bytes given to the connection, heartbeats included.
func (s *Writer) Sent() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

// Close writes what is held back and ends the heartbeats; nothing touches the
// response afterwards. It leaves the flush to the end of the handler, where the
// end of the response goes out as well: one system call for both. A second Close
// does nothing.
func (s *Writer) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return s.err
	}
	if s.err == nil && s.buffer.Len() > 0 {
		s.hold() // the end of the response releases it
		_ = s.write()
	}
	s.close()
	return s.err
}

// close needs mu. A heartbeat that waits for it finds the stream closed.
func (s *Writer) close() {
	s.timer.Stop()
	s.closed = true
	if s.buffer.Cap() <= keepBytes {
		s.buffer.Reset()
		buffers.Put(s.buffer)
	}
	s.buffer, s.w, s.connection = nil, nil, nil
}
