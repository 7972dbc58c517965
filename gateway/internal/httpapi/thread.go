package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"carousel.internal/gateway/internal/auth"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/remembered"
	"carousel.internal/gateway/internal/reqbody"
)

// thread is what a request has to do with answers that are kept: the one that it goes on with,
// and its own. The zero thread is that of a dialect whose answers are not.
type thread struct {
	keeper dialect.Rememberer
	owner  remembered.Owner
	wishes dialect.Wishes
	// pinned: an upstream keeps what the request goes on with.
	pinned bool
}

// previousField is where a body names the answer that it goes on with.
const previousField = "previous_response_id"

// follow finds what a turn goes on with. If that is kept here, the turn's body becomes one that
// stands by itself; if an upstream keeps it, the turn is pinned to that and its token, and the
// body stays as it came.
func (s *server) follow(r *http.Request, t *turn, sender auth.Sender) error {
	keeper, keeps := t.api.(dialect.Rememberer)
	if !keeps || s.Remembered == nil {
		return nil
	}
	t.thread = thread{keeper: keeper, owner: sender.Owner, wishes: keeper.Wishes(t.came)}
	previous := t.thread.wishes.Previous
	if previous == "" {
		return nil
	}
	earlier, err := s.find(r.Context(), keeper, previous, previousField, t.thread.owner)
	if err != nil {
		return err
	}
	if earlier.Native() {
		t.thread.pinned, t.choice = true, pinnedTo(earlier)
		return nil
	}
	t.in.Previous = previous
	t.in.Body, err = keeper.Resume(t.came, dialect.Remembered{Answer: earlier.JSON, Input: earlier.Input})
	if err != nil {
		return err
	}
	return s.fits(r, t)
}

// fits judges a turn's body that has become larger than it came.
func (s *server) fits(r *http.Request, t *turn) error {
	if size, limit := int64(len(t.in.Body)), s.bodyLimit(t.api); size > limit {
		err := chat.Errorf(chat.PayloadTooLarge, "the conversation that `%s` goes on with and this request's own input have %d bytes together, and may have %d: begin a new conversation with less of it",
			previousField, size, limit)
		err.Param = previousField
		return err
	}
	return reqbody.Grow(r, len(t.in.Body)-len(t.came))
}

// find returns an answer that is kept; param is where its id stands, as for Unknown.
func (s *server) find(ctx context.Context, keeper dialect.Rememberer, id, param string, owner remembered.Owner) (*remembered.Answer, error) {
	found, err := s.Remembered.Find(ctx, id, owner)
	if errors.Is(err, remembered.ErrNone) {
		return nil, keeper.Unknown(id, param)
	}
	return found, err
}

// pinnedTo has a request served where an answer is kept. An alias that the caller gave was for
// choosing the token that made it.
func pinnedTo(kept *remembered.Answer) lease.Choice {
	return lease.Choice{Upstream: kept.Upstream, TokenID: kept.TokenID}
}

// explain words an error for who goes on with what an upstream keeps: where that can't be had
// any more, it is as if there were none.
func (t *thread) explain(err error) error {
	if err == nil || !t.pinned || !isLost(err) {
		return err
	}
	return unknown(t.keeper, t.wishes.Previous, previousField, err)
}

// isLost tells whether an error of a request that one token alone can serve is for good: the
// upstream or the token is gone, or waits for an admin.
func isLost(err error) bool {
	switch chat.AsError(err).Kind {
	case chat.NotFound, chat.AliasNotFound, chat.NoTokens:
		return true
	default:
		return false
	}
}

// unknown is the error for an id of which, by that cause, nothing is kept any more. The dialect
// may know it by a cause of its own.
func unknown(keeper dialect.Rememberer, id, param string, cause error) error {
	err := *keeper.Unknown(id, param)
	err.Err = errors.Join(err.Err, cause)
	return &err
}

// errBrought: an answer that the upstream keeps for a token that nobody here has.
var errBrought = errors.New("the upstream keeps it for the token that the caller brought")

// keep has an answer kept, if it is to be. All of it has come, and the end of it is not
// written: what could not be kept says so. answer is a dialect's Stream or Whole.
func (s *server) keep(ctx context.Context, t *turn, answer any) {
	memory, is := answer.(dialect.Memory)
	if !is || !t.thread.wishes.Keep {
		return
	}
	err := s.remember(ctx, t, memory)
	result := "kept"
	switch {
	case err == nil:
	case errors.Is(err, remembered.ErrTooLarge):
		result = "too_large"
	case errors.Is(err, errBrought):
		result = "own_token"
	default:
		result = "failed"
	}
	s.Metrics.Remembered.WithLabelValues(result).Inc()
	if err == nil {
		return
	}
	memory.Forgotten()
	level := slog.LevelWarn
	if ctx.Err() != nil { // the client has gone
		level = slog.LevelInfo
	}
	s.Log.LogAttrs(ctx, level, "an answer is not kept, and says so", slog.String("request_id", t.in.RequestID), slog.Any("error", err))
}

// keepAhead has an answer known by its id while it is still being made, where that goes on without
// the client. answer is a dialect's Stream. When its end comes it is kept once more, and counted.
func (s *server) keepAhead(ctx context.Context, t *turn, answer any) {
	background, is := answer.(dialect.Background)
	if !is || !t.thread.wishes.Keep || t.origin.TokenID == "" {
		return
	}
	id := background.InBackground()
	if id == "" {
		return
	}
	err := s.Remembered.Keep(ctx, &remembered.Answer{
		ID: id, Owner: t.thread.owner, Model: t.request.Model, Created: t.request.Created, Upstream: t.origin.Upstream, TokenID: t.origin.TokenID,
	})
	if err != nil {
		s.Log.LogAttrs(ctx, slog.LevelWarn, "an answer in the background can't be found before it is complete",
			slog.String("request_id", t.in.RequestID), slog.Any("error", err))
	}
}

// remember keeps an answer: of what the upstream keeps itself, where that is.
func (s *server) remember(ctx context.Context, t *turn, memory dialect.Memory) (err error) {
	id, answer, native := memory.Answer()
	kept := &remembered.Answer{ID: id, Owner: t.thread.owner, Model: t.request.Model, Created: t.request.Created}
	switch {
	case !native:
		kept.JSON = answer
		if kept.Input, err = t.thread.keeper.Input(t.in.Body); err != nil {
			return err
		}
	case t.origin.TokenID == "":
		return errBrought
	default:
		kept.Upstream, kept.TokenID = t.origin.Upstream, t.origin.TokenID
	}
	return s.Remembered.Keep(ctx, kept)
}
