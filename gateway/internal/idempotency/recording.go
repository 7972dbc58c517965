package idempotency

import (
	"context"
	"errors"
	"maps"
	"sync"

	"carousel.internal/gateway/internal/chat"
)

// MaxBody bounds an answer that is repeated, in bytes, and what is kept of a longer one
// for those who follow it. The store bounds it too, with its header.
const MaxBody = 1<<20 - 8<<10

var (
	errTooLarge = chat.Errorf(chat.Conflict, "the first answer to this Idempotency-Key is too large to be repeated; ask again with another key, or later")
	// errAbandoned is the end of a recording that nobody will begin.
	errAbandoned = chat.Errorf(chat.Canceled, "nobody answers the first request any more")
	// errBroken is the end of one that nobody will end.
	errBroken = chat.Errorf(chat.Internal, "the first request to this Idempotency-Key broke off; ask again")
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
	// dropped is how many bytes came before those in answer.Body. An answer that is too
	// large to be repeated is dropped from its beginning, as it comes: those who follow it
	// closely get all of it.
	dropped int
	ended   bool
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
	if r.answer.Header == nil {
		r.answer.Header = maps.Clone(header())
	}
	if len(r.answer.Body)+len(piece) > MaxBody {
		r.slide(len(piece))
	}
	if len(piece) > MaxBody {
		r.dropped += len(piece)
	} else {
		r.answer.Body = append(r.answer.Body, piece...)
	}
	r.tell()
}

// slide drops from the beginning what has no room beside a piece, and at least half, so
// that it is seldom called. Readers may hold the bytes: they are copied, not moved.
func (r *Recording) slide(piece int) {
	kept := r.answer.Body[len(r.answer.Body)-min(len(r.answer.Body)/2, max(MaxBody-piece, 0)):]
	r.dropped += len(r.answer.Body) - len(kept)
	r.answer.Body = append(make([]byte, 0, len(kept)+piece), kept...)
}

// Next waits for what comes after the first bytes of the body. done tells that the
// answer is complete with that; an error, that no more will come. Recorded tells whether
// the answer speaks of that error itself.
func (r *Recording) Next(ctx context.Context, after int) (header map[string]string, piece []byte, done bool, err error) {
	for {
		r.mu.Lock()
		header, changed, behind := r.answer.Header, r.changed, after < r.dropped
		if !behind {
			piece = r.answer.Body[after-r.dropped:]
		}
		ended, err := r.ended, r.err
		r.mu.Unlock()
		switch {
		case behind:
			return header, nil, false, errTooLarge
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

// recorded is how the first request failed, as its client was told.
type recorded struct{ error }

func (r recorded) Unwrap() error { return r.error }

// Recorded tells whether an error of Next is in what was recorded, if anything was.
func Recorded(err error) bool {
	_, told := errors.AsType[recorded](err)
	return told
}

// finish ends the recording and returns what is to be remembered: nil unless it is
// complete, and small enough.
func (r *Recording) finish(err error) *Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end(err)
	if err != nil || r.dropped > 0 {
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
