package agent

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/agent/prompt"
	"carousel.internal/gateway/internal/upstream/wire"
)

// maxResumed is how long a run that is resumed may take to go on. One that hangs is better
// told anew as a whole.
const maxResumed = 30 * time.Second

// kept is a run that waits for what its calls come to. Between its answer's end and resume or
// Close one goroutine keeps it alive.
type kept struct {
	run *run
	// before is what the run was told with its call, of so many messages; told is the answer.
	before   imprint
	messages int
	told     told

	// halt asks the keeper to let go; halted is closed when it has, or when there will be none.
	halt, halted chan struct{}
	halting      sync.Once
	done         chan struct{}
	leaving      sync.Once
}

var _ upstream.Kept = (*kept)(nil)

// newKept makes a kept run of one whose reactor waits, before the end of its answer is taken.
func newKept(r *run) *kept {
	last := r.reactor.steps[len(r.reactor.steps)-1]
	return &kept{
		run:    r,
		before: imprintOf(r.call, r.call.Request.Messages), messages: len(r.call.Request.Messages),
		told: told{words: r.reactor.spoken.words.String(), calls: slices.Clone(last.Calls)},
		halt: make(chan struct{}), halted: make(chan struct{}), done: make(chan struct{}),
	}
}

// Calls implements upstream.Kept.
func (k *kept) Calls() []string { return k.told.ids() }

// Fits implements upstream.Kept.
func (k *kept) Fits(call *upstream.Call) bool {
	messages := call.Request.Messages
	if len(messages) <= k.messages || !k.told.isIn(messages[k.messages:]) {
		return false
	}
	return imprintOf(call, messages[:k.messages]) == k.before
}

// Done implements upstream.Kept.
func (k *kept) Done() <-chan struct{} { return k.done }

// Close implements upstream.Kept.
func (k *kept) Close() {
	k.stopKeeping()
	k.leave()
}

// drop ends a run that has no keeper.
func (k *kept) drop() {
	close(k.halted)
	k.leave()
}

// stopKeeping ends the keeper, and waits for that.
func (k *kept) stopKeeping() {
	k.halting.Do(func() { close(k.halt) })
	<-k.halted
}

// leave ends the stream, unless the run was resumed.
func (k *kept) leave() {
	k.leaving.Do(func() {
		k.run.leave()
		close(k.done)
	})
}

// keep keeps the run alive: it answers what the upstream asks meanwhile. It ends with the
// keeper's stop, or, as does the run, when there is nothing to resume or its time is over.
func (k *kept) keep(hold time.Duration) {
	defer close(k.halted)
	r, began := k.run, time.Now()
	r.reactor.rest()
	r.call = nil // the request is of no use any more, and may be large
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(min(hold, r.reactor.silentAt()) - time.Since(began))
		select {
		case <-k.halt:
			return
		case <-timer.C:
			k.leave()
			return
		case came := <-r.arrivals:
			now := time.Since(began)
			for _, message := range came.messages {
				r.reactor.take(message, now)
			}
			if came.end != nil || came.err != nil || r.reactor.astray || r.reactor.failure != nil {
				k.leave()
				return
			}
		}
	}
}

// take takes the run over from the keeper; nil: it has ended.
func (k *kept) take() *run {
	k.stopKeeping()
	var taken *run
	k.leaving.Do(func() { taken = k.run })
	return taken
}

// resume goes on with a kept run, and yields what comes of it.
func (c *Client) resume(parent context.Context, call *upstream.Call, yield yielder) *upstream.Failure {
	k, is := call.Resume.(*kept)
	if !is {
		return &upstream.Failure{Class: upstream.Broken, Message: "the answer to go on with is another driver's"}
	}
	results, err := prompt.Results(call.Request, k.run.choice, k.Calls())
	if err != nil {
		k.Close()
		return refused(err)
	}
	r := k.take()
	if r == nil {
		return wire.Signed(failures, upstream.SignLost, http.StatusOK, "the upstream has ended the answer that was kept open", nil)
	}
	r.call, r.blocks = call, upstream.Blocks{}
	limits := limitsOf(c.config.FirstByte, c.config.Idle)
	limits.begin = min(limits.begin, maxResumed)
	r.reactor.resume(limits, results)
	r.reactor.tally.told, r.reactor.keeps = call.Told, call.Keep != nil
	r.note()
	return r.serve(parent, yield)
}
