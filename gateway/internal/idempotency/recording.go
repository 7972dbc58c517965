package idempotency

import (
	"context"
	"maps"
	"sync"

	"carousel.internal/gateway/internal/chat"
)

// MaxBody bounds an answer that is repeated, in bytes. The store bounds it too, with
// its header.
const MaxBody = 1<<20 - 8<<10

var (
	errTooLarge = chat.Errorf(chat.Conflict, "the first answer to this Idempotency-Key is too large to be repeated; ask again with another key, or later")
	// errAbandoned is the end of a recording that nobody will begin.
	errAbandoned = chat.Errorf(chat.Canceled, "nobody answers the first request any more")
)

// Answer is an HTTP answer with status 200.
type Answer struct {
	Header map[string]string
	Body   []byte
}

// Recording is an answer on its way, or a whole one. One writes, any number read.
type Recording struct {
	request Hash

	mu     sync.Mutex
	answer Answer
	ended  bool
	// err is why the answer is not complete; set with ended.
	err error
	// changed is closed, and another one made, when any of it changes.
	changed chan struct{}
}

func newRecording(request Hash) *Recording {
	return &Recording{request: request, changed: make(chan struct{})}
}

// Write adds a piece of the body; header is taken with the first one.
func (r *Recording) Write(header func() map[string]string, piece []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	if len(r.answer.Body)+len(piece) > MaxBody {
		r.end(errTooLarge)
		return
	}
	if r.answer.Header == nil {
		r.answer.Header = maps.Clone(header())
	}
	r.answer.Body = append(r.answer.Body, piece...)
	r.tell()
}

// Next waits for what comes after the first bytes of the body. done tells that the
// answer is complete with that; an error, that no more will come.
func (r *Recording) Next(ctx context.Context, after int) (header map[string]string, piece []byte, done bool, err error) {
	for {
		r.mu.Lock()
		header, piece, changed := r.answer.Header, r.answer.Body[after:], r.changed
		ended, err := r.ended, r.err
		r.mu.Unlock()
		switch {
		case len(piece) > 0: // what has been written is never changed
			return header, piece, ended && err == nil, nil
		case ended:
			return header, nil, err == nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, false, chat.AsError(context.Cause(ctx))
		}
	}
}

// finish ends the recording, if nothing has, and answers what is to be remembered: nil
// unless it is complete.
func (r *Recording) finish(err error) *Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.end(err)
	}
	if r.err != nil {
		return nil
	}
	return &r.answer
}

// fill makes the recording a whole answer.
func (r *Recording) fill(answer *Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = *answer
	r.end(nil)
}

// end and tell need mu.
func (r *Recording) end(err error) {
	r.ended, r.err = true, err
	r.tell()
}

func (r *Recording) tell() {
	close(r.changed)
	r.changed = make(chan struct{})
}
