package agent

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/agent/models"
	"carousel.internal/gateway/internal/upstream/cursor/agent/prompt"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/gateway/internal/upstream/redial"
	"carousel.internal/gateway/internal/upstream/wire"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

const (
	runPath = "/agent.v1.AgentService/Run"
	// drainTime bounds the wait for the stream's end after its end frame.
	drainTime = 200 * time.Millisecond
	// maxArrival bounds what is handed on at once, in bytes; one message may be larger.
	maxArrival = 64 << 10
)

// errLeaving ends the context of a run that is over.
var errLeaving = errors.New("the run is over")

// arrival is what has come at once: messages, and then the stream's end, if that came too.
type arrival struct {
	messages []*agentv1.AgentServerMessage
	// end is the end frame's payload; nil: it has not come.
	end []byte
	err error
}

// run is one exchange with the upstream: a stream that stays open in both directions. The
// goroutine of the caller reacts, one more reads, and one sends signs of life; both end
// before run does.
type run struct {
	client   *Client
	call     *upstream.Call
	reactor  *reactor
	outbox   *outbox
	arrivals chan arrival
	blocks   upstream.Blocks
	attempt  redial.Attempt
	room     []chat.Event // for events
	choice   models.Choice
	// ctx is the stream's; leave ends it, and waits for the helpers.
	ctx     context.Context //nolint:containedctx // a run that is kept outlives its first call
	cancel  context.CancelCauseFunc
	helpers sync.WaitGroup
	// offered is the run as the call's maker keeps it; nil: it does not.
	offered *kept

	mu      sync.Mutex
	pending []uint32 // execs that wait
}

// run makes a run, and yields what comes of it. The failure is nil after a complete answer,
// and when yield has had enough.
func (c *Client) run(
	parent context.Context, call *upstream.Call, written *prompt.Prompt, choice models.Choice, ids requestIDs, yield yielder,
) (*upstream.Failure, again) {
	first, err := proto.Marshal(&agentv1.AgentClientMessage{Message: &agentv1.AgentClientMessage_RunRequest{RunRequest: written.Run}})
	if err != nil {
		return &upstream.Failure{Class: upstream.CallerFault, Message: "the request holds text that is no UTF-8", Err: err}, asIs
	}
	r := &run{client: c, call: call, choice: choice, outbox: newOutbox(envelope(first)), arrivals: make(chan arrival)}
	r.reactor = newReactor(written, limitsOf(c.config.FirstByte, c.config.Idle), r.outbox.send)
	r.reactor.oneCall = call.Request.ParallelCalls != nil && !*call.Request.ParallelCalls
	r.reactor.window, r.reactor.secret = choice.Window, call.Credential.Secret
	lifetime := parent
	if call.Keep != nil { // the run may go on when the call has ended
		r.reactor.keeps, r.reactor.newCallID = true, newKeptID
		lifetime = context.WithoutCancel(parent)
	}
	r.ctx, r.cancel = context.WithCancelCause(lifetime)
	request, failure := r.request(r.attempt.Watched(r.ctx), ids)
	if failure != nil {
		r.cancel(errLeaving)
		return failure, asIs
	}
	r.helpers.Go(func() { r.read(request) })
	r.helpers.Go(func() { pulse(r.ctx, r.outbox.send, r.waiting) })
	failure = r.serve(parent, yield)
	return failure, r.reactor.again
}

// serve yields the answer, and leaves the stream, unless that is kept.
func (r *run) serve(parent context.Context, yield yielder) *upstream.Failure {
	var failure *upstream.Failure
	whole := false
	defer func() {
		offered := r.offered
		r.offered = nil
		switch {
		case offered == nil:
			r.leave()
		case !whole:
			offered.drop()
		default:
			go offered.keep(r.client.config.Keep)
		}
	}()
	failure, whole = r.react(parent, yield)
	return failure
}

// leave ends the stream, and waits for the helpers.
func (r *run) leave() {
	// The context alone would not wake who waits for more to send.
	r.cancel(errLeaving)
	r.outbox.abandon()
	r.helpers.Wait()
}

// offer has whoever made the call keep the run, if they want it.
func (r *run) offer() {
	if offered := newKept(r); r.call.Keep(offered) {
		r.offered = offered
	}
}

// request makes the HTTP request. Its body can't be begun again: another run is to be another
// one to the upstream.
func (r *run) request(ctx context.Context, ids requestIDs) (*http.Request, *upstream.Failure) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.client.config.RunBase+runPath, r.outbox)
	if err != nil {
		return nil, &upstream.Failure{Class: upstream.Broken, Message: "the upstream's URL is unusable"}
	}
	return request, r.client.dressRun(request.Header, r.call.Credential, ids)
}

// react does what the reactor wants until it is over. whole tells whether all of the answer
// was taken.
func (r *run) react(parent context.Context, yield yielder) (failure *upstream.Failure, whole bool) {
	began := time.Now()
	var held time.Duration // what the reader of the events took, which is nobody's fault
	now := func() time.Duration { return time.Since(began) - held }
	timer := time.NewTimer(r.reactor.next())
	defer timer.Stop()
	for !r.reactor.over {
		timer.Reset(r.reactor.next() - now())
		select {
		case came := <-r.arrivals:
			failure = r.take(parent, came, now())
		case <-parent.Done():
			return fault.Ended(failures, parent, r.ctx), false
		case <-timer.C:
			select {
			case came := <-r.arrivals: // in time: it is us who look late
				failure = r.take(parent, came, now())
			default:
			}
			if failure == nil && !r.reactor.over {
				r.reactor.tick(now())
			}
		}
		if failure != nil {
			return failure, false
		}
		r.note()
		if r.reactor.waiting && !r.reactor.astray {
			r.offer()
		}
		events, err := r.events()
		if err != nil {
			return wire.Signed(failures, upstream.SignGarbled, http.StatusOK, "the upstream's answer has calls that are too large", err), false
		}
		before := time.Now()
		for i := range events {
			events[i].More = i < len(events)-1
			if !yield(events[i], nil) {
				return nil, false
			}
		}
		held += time.Since(before)
	}
	if r.reactor.failure == nil && !r.reactor.left {
		r.part(parent)
	}
	return r.reactor.failure, r.reactor.failure == nil
}

// take hands on what has come, unless that is no stream: then it returns the failure.
func (r *run) take(parent context.Context, came arrival, now time.Duration) *upstream.Failure {
	if came.err != nil {
		if failure := r.unanswered(parent, came.err); failure != nil {
			return failure
		}
	}
	for _, message := range came.messages {
		if r.reactor.over && !r.reactor.waiting {
			return nil
		}
		r.reactor.take(message, now)
	}
	switch {
	case r.reactor.waiting && (came.end != nil || came.err != nil):
		r.reactor.astray = true
	case r.reactor.over:
	case came.end != nil:
		r.reactor.end(came.end)
	case came.err != nil:
		r.reactor.broke(came.err)
	}
	return nil
}

// unanswered is the failure of a request that was answered with no stream; nil: it was.
func (r *run) unanswered(parent context.Context, err error) *upstream.Failure {
	if failure := fault.Ended(failures, parent, parent); failure != nil {
		return failure
	}
	if refusal, is := errors.AsType[*fault.Refusal](err); is {
		return refusal.Failure(failures, r.call.Credential.Secret)
	}
	if unreached, is := errors.AsType[*unreachedError](err); is {
		if neverBegun(&r.attempt, unreached.error) {
			r.reactor.again = onAnotherConnection
		}
		return fault.Unreached(failures, unreached.error)
	}
	return nil
}

// note tells the pulse which execs wait.
func (r *run) note() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = r.pending[:0]
	for _, each := range r.reactor.batch.calls {
		r.pending = append(r.pending, each.asked.id)
	}
}

func (r *run) waiting() []uint32 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.pending)
}

// events are the answer's next ones. They are valid until the next call.
func (r *run) events() ([]chat.Event, error) {
	all := r.room[:0]
	for i := range r.reactor.steps {
		events, err := r.blocks.Events(&r.reactor.steps[i])
		if err != nil {
			return nil, err
		}
		all = append(all, events...)
	}
	r.reactor.steps = r.reactor.steps[:0]
	r.room = all
	return all, nil
}

// part ends the stream in peace: after its end frame the upstream may need a moment to close
// it, and a connection that is left alone is of use again.
func (r *run) part(parent context.Context) {
	r.outbox.finish()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	for {
		select {
		case came := <-r.arrivals:
			if came.err != nil {
				return
			}
		case <-parent.Done():
			return
		case <-timer.C:
			return
		}
	}
}

// unreachedError is a request that had no answer.
type unreachedError struct{ error }

// read sends the request and reads the answer, until it ends or the context does.
func (r *run) read(request *http.Request) {
	response, err := r.client.config.Transport.RoundTrip(request)
	if err != nil {
		r.hand(arrival{err: &unreachedError{err}})
		return
	}
	defer func() { _ = response.Body.Close() }()
	if err := fault.NoStream(response); err != nil {
		r.hand(arrival{err: err})
		return
	}
	frames := newDecoder(response.Body)
	for more := true; more; {
		var came arrival
		came, more = collect(frames)
		if !r.hand(came) {
			return
		}
	}
}

// hand hands over what has come, and tells whether anybody took it.
func (r *run) hand(came arrival) bool {
	select {
	case r.arrivals <- came:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// collect reads the next frame and what else has come by then. more tells whether anything
// can follow.
func collect(frames *decoder) (came arrival, more bool) {
	for size := 0; ; {
		next, err := frames.next()
		if err != nil {
			came.err = err
			return came, false
		}
		if next.end {
			came.end = append([]byte{}, next.payload...)
			return came, true
		}
		message := &agentv1.AgentServerMessage{}
		if err := proto.Unmarshal(next.payload, message); err != nil {
			came.err = errNoMessage
			return came, false
		}
		came.messages = append(came.messages, message)
		if size += len(next.payload); size > maxArrival || !frames.ready() {
			return came, true
		}
	}
}

// errNoMessage is a frame that holds something else.
var errNoMessage = errors.New("a frame that is no message")
