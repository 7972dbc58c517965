package errand

import (
	"context"
	"sync"
	"time"

	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

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
	// leave ends what asks the upstream for it.
	leave context.CancelFunc
	// until is when it may be given to another gateway, lost that it has been. The hand's
	// mutex guards both.
	until time.Time
	lost  bool
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
	delete(h.works, w.key())
	select {
	case h.freed <- struct{}{}:
	default:
	}
}

// size counts the errands that have not ended, lost ones among them.
func (h *hand) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.works)
}

// questions counts those that ask for accounts.
func (h *hand) questions() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, w := range h.works {
		if w.errand.GetAccount() != nil {
			n++
		}
	}
	return n
}

// refs are the errands that are to be renewed.
func (h *hand) refs() []*tokenstorev1.ErrandRef {
	h.mu.Lock()
	defer h.mu.Unlock()
	refs := make([]*tokenstorev1.ErrandRef, 0, len(h.works))
	for key, w := range h.works {
		if !w.lost {
			refs = append(refs, &tokenstorev1.ErrandRef{Id: key.id, Epoch: key.epoch})
		}
	}
	return refs
}

// renewed takes in that the store has renewed errands, asked at since, but for those that are
// lost: no upstream is asked for them any more. One that has just been settled counts as lost,
// too, until its settlement has been answered.
func (h *hand) renewed(held, lost []*tokenstorev1.ErrandRef, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ref := range lost {
		if w := h.works[key{ref.GetId(), ref.GetEpoch()}]; w != nil {
			w.lost = true
			w.leave()
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
	return !w.lost && !lease.Passed(w.until, now)
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
