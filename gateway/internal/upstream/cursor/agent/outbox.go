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

// Errors of an outbox.
var (
	errLeft    = errors.New("the call is over")
	errSentTo  = errors.New("another connection sends it")
	errTooMuch = errors.New("the upstream does not read what it has asked for")
)

// outbox is the body of a request: messages that anybody puts in are sent one after the
// other, in that order. It is open until finish or abandon.
type outbox struct {
	// first is what a connection begins with, however often one is begun.
	first []byte

	mu     sync.Mutex
	queue  []byte
	reader *outboxReader
	// over is why nothing more is sent; io.EOF where all was said.
	over error
}

func newOutbox(first []byte) *outbox { return &outbox{first: first} }

// body begins a connection: it answers a body that has all from the beginning. The one before
// ends. Only the first message is sent again, because an upstream that has asked for anything
// else has begun to answer.
func (o *outbox) body() io.ReadCloser {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reader != nil {
		o.reader.leave()
	}
	o.reader = &outboxReader{outbox: o, left: o.first, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	return o.reader
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
	case len(o.queue)+len(text) > maxQueued:
		o.end(errTooMuch)
	default:
		o.queue = append(o.queue, envelope(text)...)
		o.wake()
	}
}

// finish ends the body after what is queued.
func (o *outbox) finish() { o.close(io.EOF) }

// abandon ends the body at once, with an error: the stream is reset.
func (o *outbox) abandon() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = nil
	o.end(errLeft)
}

func (o *outbox) close(why error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end(why)
}

func (o *outbox) end(why error) {
	if o.over == nil || errors.Is(o.over, io.EOF) {
		o.over = why
	}
	o.wake()
}

func (o *outbox) wake() {
	if o.reader == nil {
		return
	}
	select {
	case o.reader.wake <- struct{}{}:
	default:
	}
}

// outboxReader is what one connection reads of an outbox. Read is called by one goroutine.
type outboxReader struct {
	outbox *outbox
	left   []byte
	wake   chan struct{}
	gone   chan struct{}
	once   sync.Once
}

// Read implements io.Reader.
func (r *outboxReader) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		select {
		case <-r.gone:
			return 0, errSentTo
		default:
		}
		more, err := r.take()
		if err != nil {
			return 0, err
		}
		if r.left = more; len(more) > 0 {
			break
		}
		select {
		case <-r.wake:
		case <-r.gone:
			return 0, errSentTo
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// take takes what is queued.
func (r *outboxReader) take() ([]byte, error) {
	o := r.outbox
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reader != r {
		return nil, errSentTo
	}
	if len(o.queue) == 0 {
		return nil, o.over
	}
	more := o.queue
	o.queue = nil
	return more, nil
}

// Close implements io.Closer: the connection reads no more.
func (r *outboxReader) Close() error {
	r.leave()
	return nil
}

func (r *outboxReader) leave() { r.once.Do(func() { close(r.gone) }) }
