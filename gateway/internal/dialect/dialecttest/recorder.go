package dialecttest

import (
	"bytes"

	"carousel.internal/gateway/internal/dialect"
)

// Recorder is a sink that keeps what a client would be sent.
type Recorder struct {
	// Wire is the stream's bytes so far, as far as they have been sent.
	Wire bytes.Buffer
	// Beat returns what is sent when all is silent; nil: nothing is.
	Beat func() string
	// Err is what its methods return.
	Err  error
	held bytes.Buffer
}

var _ dialect.Sink = (*Recorder)(nil)

// Event implements dialect.Sink.
func (r *Recorder) Event(name string, payload []byte, more bool) error {
	if name != "" {
		r.held.WriteString("event: " + name + "\n")
	}
	for line := range bytes.Lines(payload) {
		r.held.WriteString("data: ")
		r.held.Write(bytes.TrimRight(line, "\r\n"))
		r.held.WriteByte('\n')
	}
	r.held.WriteByte('\n')
	if !more {
		return r.Flush()
	}
	return r.Err
}

// Flush implements dialect.Sink.
func (r *Recorder) Flush() error {
	_, _ = r.held.WriteTo(&r.Wire)
	return r.Err
}

// Heartbeat implements dialect.Sink.
func (r *Recorder) Heartbeat(next func() string) { r.Beat = next }

// Silence is what happens when nothing is written for long.
func (r *Recorder) Silence() {
	if r.Beat != nil {
		r.held.WriteString(r.Beat())
	}
	_ = r.Flush()
}

// Close ends the stream as a server does: what is held back is sent.
func (r *Recorder) Close() []byte {
	_ = r.Flush()
	return r.Wire.Bytes()
}
