package agent

import (
	"errors"
	"io"
	"sync"

	"google.golang.org/protobuf/proto"

	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// maxQueued bounds what waits to be sent, in bytes: a prompt's blobs a few times over.
const maxQueued = 128 << 20

// Why an outbox ends before all is sent.
var (
	errLeft    = errors.New("the call is over")
	errTooMuch = errors.New("the upstream does not read what it has asked for")
)

// outbox is the body of a request: messages that anybody puts in are sent one after the
// other, in that order. It is open until finish or abandon. One goroutine reads it.
type outbox struct {
	mu    sync.Mutex
	queue []byte
	// over is why nothing more is put in; io.EOF where all was said.
	over error
	// news wakes the reader.
	news chan struct{}
	left []byte // the reader's own
}

// newOutbox makes an outbox that begins with a frame.
func newOutbox(first []byte) *outbox {
	return &outbox{left: first, news: make(chan struct{}, 1)}
}

// send puts a message in. It does not wait. What comes when the outbox is over is lost, and
// what is too much for it ends the stream.
func (o *outbox) send(message *agentv1.AgentClientMessage) {
	text, err := proto.Marshal(message)
	if err != nil {
		return // only text that is no UTF-8 can't be marshalled, and ours is made valid
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.over != nil:
		return
	case len(o.queue)+len(text) > maxQueued:
		o.over = errTooMuch
	default:
		o.queue = append(o.queue, envelope(text)...)
	}
	o.wake()
}

// finish ends the body after what is queued.
func (o *outbox) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over == nil {
		o.over = io.EOF
	}
	o.wake()
}

// abandon ends the body at once, with an error: the stream is reset.
func (o *outbox) abandon() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue, o.over = nil, errLeft
	o.wake()
}

func (o *outbox) wake() {
	select {
	case o.news <- struct{}{}:
	default:
	}
}

// Read implements io.Reader.
func (o *outbox) Read(p []byte) (int, error) {
	for len(o.left) == 0 {
		more, err := o.take()
		if err != nil {
			return 0, err
		}
		if o.left = more; len(more) == 0 {
			<-o.news
		}
	}
	n := copy(p, o.left)
	o.left = o.left[n:]
	return n, nil
}

// take takes what is queued.
func (o *outbox) take() ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		return nil, o.over
	}
	more := o.queue
	o.queue = nil
	return more, nil
}

// Close implements io.Closer: the connection reads no more.
func (o *outbox) Close() error {
	o.abandon()
	return nil
}
