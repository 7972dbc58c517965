package relay

import (
	"context"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
)

// Close gives up the answers that are kept open, and keeps no more. Call it when the gateway
// begins to end, while leases can still be settled.
func (r *Relay) Close() { r.lot.close() }

// Strays are up to so many ids of calls whose results have come here, where nobody waits for
// them. Each is told once.
func (r *Relay) Strays(most int) []string { return r.lot.takeStrays(most) }

// GiveUp ends the answers that wait here for calls whose results have come to another gateway.
func (r *Relay) GiveUp(calls []string) { r.lot.abandon(calls) }

// goOn has an answer that was kept open go on, where the request is what it waits for. done
// tells that this has served the request, or that nothing else can. Where the answer does not
// go on the request is sent as a whole: that costs time, and nobody is to blame.
func (r *run) goOn(ctx context.Context) (done bool, refused *chat.Error) {
	held := r.cargo.goesOn(ctx)
	if held == nil {
		return false, nil
	}
	r.lent(held)
	r.resumes = true
	failure := r.attempt(ctx, held)
	r.resumes = false
	switch {
	case failure == nil:
		return true, nil
	case failure.Class.Ours():
		return true, cutOff(ctx, failure)
	case r.sent || ctx.Err() != nil:
		return true, errorOf(failure, r.target.Upstream, 1, r.sent)
	}
	r.relay.Counter.Retried(r.target.Upstream)
	return false, nil
}

// forgiven is what is reported of an answer that has not gone on: nothing, unless the upstream
// has said what is wrong.
func (r *run) forgiven(outcome lease.Outcome) lease.Outcome {
	if !r.resumes || r.sent {
		return outcome
	}
	switch outcome.Class {
	case upstream.Broken, upstream.Transport, upstream.Truncated:
		outcome.Class = upstream.Interrupted
	default:
	}
	return outcome
}

// goesOn implements cargo: the lease of the answer that the request goes on with.
func (c *conversation) goesOn(ctx context.Context) *lease.Lease {
	p := c.relay.lot.find(ctx, awaited(c.request))
	if p == nil {
		return nil
	}
	if !c.continues(p) {
		c.relay.lot.giveUp(p)
		return nil
	}
	if !c.setAside(ctx) {
		c.relay.lot.giveUp(p)
		return nil
	}
	if !c.relay.lot.take(p) {
		return nil
	}
	c.resumed = p
	return p.held
}

// continues tells whether the request is what the answer waits for, from whom it waits for it.
func (c *conversation) continues(p *parked) bool {
	return p.owner == c.owner() && p.upstreamName == c.target.Upstream && p.driver == c.target.Driver &&
		p.held.Stands(time.Now()) && p.kept.Fits(c.callWith(p.held.Credential))
}

func (c *conversation) owner() owner {
	return owner{caller: c.caller.Owner, alias: c.choice.Alias, session: c.asked.Session, user: c.asked.User}
}

// awaited are the calls whose results the request ends with, as far as somebody may wait for
// them.
func awaited(request *chat.Request) (calls []string) {
	for i := len(request.Messages) - 1; i >= 0 && request.Messages[i].Role != chat.Assistant; i-- {
		for j := range request.Messages[i].Parts {
			if result := request.Messages[i].Parts[j].Result; result != nil && upstream.MayBeKept(result.CallID) {
				calls = append(calls, result.CallID)
			}
		}
	}
	return calls
}

// keeping has the driver offer an answer that can go on, where it can and the lot may have it.
func (c *conversation) keeping(call *upstream.Call) {
	keeper, can := c.target.Driver.(upstream.Keeper)
	if !can || c.held == nil {
		return
	}
	most := keeper.KeepsPerToken()
	if most == 0 {
		return
	}
	call.Keep = func(kept upstream.Kept) bool {
		p := &parked{
			kept: kept, owner: c.owner(), driver: c.target.Driver, upstreamName: c.target.Upstream, model: c.target.Model,
			requestID: c.entry.ID, held: c.held,
		}
		if !c.relay.lot.expect(p, most) {
			return false
		}
		c.parked = p
		return true
	}
}

// resume has the call go on with the answer that was taken out of the lot, once.
func (c *conversation) resume(call *upstream.Call) {
	c.told = chat.Usage{}
	if p := c.resumed; p != nil {
		call.Resume, call.Told, c.told, c.resumed = p.kept, p.told, p.told, nil
	}
}

// parks implements cargo: an answer that was offered goes into the lot with its lease, where it
// went well.
func (c *conversation) parks(failure *upstream.Failure) bool {
	p := c.parked
	c.parked = nil
	switch {
	case p == nil:
		return false
	case failure != nil:
		c.relay.lot.forget(p)
		return false
	}
	told := c.usage()
	told.Prompt, told.Completion = told.Prompt+c.told.Prompt, told.Completion+c.told.Completion
	if c.relay.lot.arrive(p, told) {
		return true
	}
	p.kept.Close() // it is no longer wanted
	return false
}
