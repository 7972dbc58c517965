package relay

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
)

// sendAlong sends the request to the targets of a plan, one after the other, until one answers.
// It returns the last one that was tried.
func (r *run) sendAlong(ctx context.Context, plan catalog.Plan) (catalog.Target, *chat.Error) {
	target := plan.First
	r.others = plan.More()
	refused := r.sendTo(ctx, target)
	told := refused
	for refused != nil && r.mayMoveOn(ctx, refused) {
		next, more := r.nextOf(&plan)
		if !more {
			break
		}
		r.relay.Logger.LogAttrs(ctx, slog.LevelInfo, "moves on along the route", slog.String("request_id", r.entry.ID),
			slog.String("route", plan.Route), slog.String("upstream", target.Upstream), slog.String("model", target.Model),
			slog.String("next_upstream", next.Upstream), slog.String("next_model", next.Model), slog.Any("error", refused))
		target, r.movedOn, r.others = next, true, plan.More()
		refused = r.sendTo(ctx, target)
		told = r.afterTargets(ctx, told, refused)
	}
	return target, told
}

// nextOf is the next target of a plan that the request may be sent to.
func (r *run) nextOf(plan *catalog.Plan) (catalog.Target, bool) {
	for {
		next, more := plan.Next()
		if !more || (next.Model == r.target.Model || r.cargo.mayChange()) && r.mayTurnTo(next) {
			return next, more
		}
	}
}

// mayMoveOn tells whether another target of the plan may answer where this one has refused.
func (r *run) mayMoveOn(ctx context.Context, refused *chat.Error) bool {
	if r.sent || r.gone || ctx.Err() != nil || r.choice.TokenID != "" {
		return false
	}
	failure, attempted := errors.AsType[*upstream.Failure](refused.Err)
	switch {
	case r.choice.Own != nil:
		return false // nobody else's token is sent elsewhere
	case r.choice.Alias != "":
		return refused.Kind == chat.AliasNotFound // it may be in the pool of the next
	case attempted:
		return failure.Class.FallsBack() && r.cargo.mayRepeat(failure)
	}
	return passesOver(refused.Kind)
}

// passesOver tells whether a target that has refused with a kind, before it was sent anything,
// leaves the request to others.
func passesOver(kind chat.Kind) bool {
	switch kind {
	case chat.NoTokens, chat.NoTokenAvailable, chat.UpstreamUnavailable, chat.Unsupported, chat.VisionDisabled:
		return true
	default:
		return false
	}
}

// afterTargets chooses what to tell a request that one target has refused after another: what
// the last one says, if that settles it, or if it passes after a while, or if nothing else does
// and it says why the request failed. Of two waits the shorter one will do.
func (r *run) afterTargets(ctx context.Context, before, now *chat.Error) *chat.Error {
	switch {
	case now == nil || !r.mayMoveOn(ctx, now):
		return now
	case passes(before.Kind) && !passes(now.Kind), isIdle(now.Kind) && !isIdle(before.Kind):
		return before
	case before.RetryAfter > 0 && (now.RetryAfter == 0 || before.RetryAfter < now.RetryAfter):
		sooner := *now // which others may have been told, too
		sooner.RetryAfter = before.RetryAfter
		return &sooner
	}
	return now
}

// passes tells whether the same request may be answered after a while.
func passes(kind chat.Kind) bool {
	switch kind {
	case chat.NoTokenAvailable, chat.RateLimited, chat.UpstreamUnavailable, chat.UpstreamProtocol, chat.StoreUnavailable:
		return true
	default:
		return false
	}
}

// isIdle tells of a refusal that it is of a target which nobody could have asked.
func isIdle(kind chat.Kind) bool {
	switch kind {
	case chat.NoTokens, chat.Unsupported, chat.VisionDisabled, chat.AliasNotFound:
		return true
	default:
		return false
	}
}

// briefWait is how long a request queues for a token of one target while there are others. It
// bridges a moment at which all tokens are busy; those that cool for longer are passed over.
const briefWait = 250 * time.Millisecond

// patience is how long the request queues for a token of the present target.
func (r *run) patience() time.Duration {
	left := r.policy.QueueWait
	if r.movedOn {
		left = max(left-r.waited, 0)
	}
	if r.others && r.choice == (lease.Choice{}) {
		return min(left, briefWait)
	}
	return left
}
