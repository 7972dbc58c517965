package errand

import (
	"context"
	"errors"
	"sync"
	"time"

	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// errLost is why an errand's context ends when the store has given it to another gateway.
var errLost = errors.New("the errand has been given to another gateway")

// hand is the errands that this gateway has: at most as many as it has asked for. It is safe
// for concurrent use.
type hand struct {
	mu    sync.Mutex
	works map[key]*work
	// freed has a value when an errand has ended.
	freed chan struct{}
}

// key names an errand as one gateway has it.
type key struct {
	id    string
	epoch uint64
}

// work is one errand in hand.
type work struct {
	errand *tokenstorev1.Errand
	cancel context.CancelCauseFunc
	// until is when it may be given to another gateway; the hand's mutex guards it.
	until time.Time
}

func (w *work) key() key { return key{w.errand.GetId(), w.errand.GetEpoch()} }

// take adds an errand; false where it is in hand already.
func (h *hand) take(w *work) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.works[w.key()] != nil {
		return false
	}
	h.works[w.key()] = w
	return true
}

// drop removes an errand that has ended.
func (h *hand) drop(w *work) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.works[w.key()] == w {
		delete(h.works, w.key())
	}
	select {
	case h.freed <- struct{}{}:
	default:
	}
}

func (h *hand) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.works)
}

// refs are the errands that are to be renewed.
func (h *hand) refs() []*tokenstorev1.ErrandRef {
	h.mu.Lock()
	defer h.mu.Unlock()
	refs := make([]*tokenstorev1.ErrandRef, 0, len(h.works))
	for key := range h.works {
		refs = append(refs, &tokenstorev1.ErrandRef{Id: key.id, Epoch: key.epoch})
	}
	return refs
}

// renewed takes in that the store has renewed errands, asked at since, but for those that are
// lost: these end.
func (h *hand) renewed(held, lost []*tokenstorev1.ErrandRef, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ref := range lost {
		if w := h.works[key{ref.GetId(), ref.GetEpoch()}]; w != nil {
			w.cancel(errLost)
			delete(h.works, w.key())
		}
	}
	for _, ref := range held {
		if w := h.works[key{ref.GetId(), ref.GetEpoch()}]; w != nil {
			w.until = since.Add(heldFor)
		}
	}
}

// has tells whether an errand is still this gateway's, by both clocks: ask before an upstream
// is asked. In a process that was frozen it may have been given to another one.
func (h *hand) has(w *work, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.works[w.key()] == w && !lease.Passed(w.until, now)
}

// rest waits for a moment, or until an errand has ended.
func (h *hand) rest(ctx context.Context, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-h.freed:
	}
}
