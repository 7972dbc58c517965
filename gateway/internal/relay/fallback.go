package relay

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// mayFallBack tells whether another model may answer where this one was refused.
func (r *run) mayFallBack(ctx context.Context, refused *chat.Error) bool {
	if r.sent || r.gone || !r.cargo.mayChange() || ctx.Err() != nil || r.hasChosen() || r.choice.Own != nil {
		return false // a client that chose the token chose the upstream
	}
	if failure, ok := errors.AsType[*upstream.Failure](refused.Err); ok {
		return failure.Class.FallsBack() && r.cargo.mayRepeat(failure)
	}
	return refused.Kind == chat.NoTokens || refused.Kind == chat.NoTokenAvailable
}

// fallBack sends the request to another model. The client is told refused where that
// can't be done; and what the fallback says where it refuses too.
func (r *run) fallBack(ctx context.Context, model string, refused *chat.Error) *chat.Error {
	plan, err := r.resolve(model)
	target := plan.First
	if request := r.cargo.wish(model).Request; err == nil && request != nil {
		if unfit := catalog.Unfit(target, request); unfit != nil {
			err = unfit
		}
	}
	if err == nil {
		if unfit := r.cargo.tune(over(r.parameters, plan.Parameters)); unfit != nil {
			err = unfit
		}
	}
	if err != nil {
		r.relay.Logger.LogAttrs(ctx, slog.LevelWarn, "fallback can't be used", slog.String("request_id", r.entry.ID),
			slog.String("upstream", r.target.Upstream), slog.String("fallback", model), slog.Any("error", err))
		return refused
	}
	if !r.mayTurnTo(target) {
		return refused
	}
	r.relay.Counter.FellBack(r.target.Upstream)
	r.relay.Logger.LogAttrs(ctx, slog.LevelInfo, "falls back", slog.String("request_id", r.entry.ID), slog.String("upstream", r.target.Upstream),
		slog.String("model", r.target.Model), slog.String("fallback", model), slog.Any("error", refused))
	r.entry.FallbackModel = model
	_, refused = r.sendAlong(ctx, plan)
	return refused
}

// mayTurnTo tells whether the request may be sent to another target. The same upstream again
// is a retry; to another one it is a request.
func (r *run) mayTurnTo(target catalog.Target) bool {
	if target.Upstream == r.target.Upstream {
		return r.mayRetry()
	}
	r.relay.budgets.of(target.Upstream).request(time.Now())
	return true
}
