package leasing

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"carousel.internal/tokenstore/internal/rotation"
	"carousel.internal/tokenstore/internal/token"
)

// byGuard is who undoes transitions of tokens that were not to blame.
const byGuard = "guard"

// Observer counts what the desk finds out. Its methods must not block.
type Observer interface {
	// SharedCause is an alarm: the upstream's tokens fail alike.
	SharedCause(upstream, class string)
}

// judge carries out what a report's outcome does to the token, unless other tokens
// fail alike.
func (d *Desk) judge(ctx context.Context, report Report, settled Settled) error {
	if !settled.Live {
		return nil
	}
	if rotation.Shareable(report.Outcome, report.RetryAfter) {
		if shared, err := d.shared(ctx, report, settled); err != nil || shared {
			return err
		}
	}
	if settled.Epoch != report.Epoch() {
		return nil // a late report: the token is not what it was
	}
	past := rotation.Past{Streak: settled.Streak, Cause: token.Outcome(settled.Cause), ModelStreak: settled.ModelStreak}
	judge := rotation.Judge
	if report.ModelOnly && report.Model != "" {
		judge = rotation.JudgeForModel
	}
	verdict := judge(report.Outcome, past, report.RetryAfter, rand.Float64()) //nolint:gosec // jitter needs no secrecy
	if verdict.Scope == rotation.Nothing {
		return nil
	}
	transition := Transition{
		TokenID: report.TokenID, Upstream: settled.Upstream, Epoch: settled.Epoch,
		Class: token.Class(report.Outcome), Streak: verdict.Streak, CoolFor: verdict.CoolFor,
		Evidence: Evidence{
			RequestID: report.RequestID, AskedModel: report.Model, Detail: report.Detail, Replica: report.Replica,
		},
	}
	if verdict.Scope == rotation.Model {
		if report.Model == "" {
			return nil // without a name it would be the whole token
		}
		transition.Model = report.Model
	}
	changed, err := d.store.Apply(ctx, transition)
	if changed {
		d.log.LogAttrs(ctx, slog.LevelWarn, "token cools or is parked", slog.String("token_id", report.TokenID),
			slog.String("upstream", settled.Upstream), slog.String("model", transition.Model), slog.String("class", transition.Class),
			slog.Bool("parked", verdict.Park), slog.Duration("for", verdict.CoolFor), slog.String("request_id", report.RequestID),
			slog.String("evidence", report.Detail))
	}
	return err
}

// shared tells whether tokens of the upstream fail alike. Those that were blamed
// before that was seen are as they were.
func (d *Desk) shared(ctx context.Context, report Report, settled Settled) (bool, error) {
	class := token.Class(report.Outcome)
	seen, err := d.store.Witness(ctx, Failure{
		LeaseRef: report.LeaseRef, Upstream: settled.Upstream, Class: class, Model: report.Model, RequestID: report.RequestID,
	})
	if err != nil || !seen.Tripped {
		return seen.Shared, err
	}
	undone, err := d.store.UndoFor(ctx, Undo{
		Upstream: settled.Upstream, Class: class, From: seen.From, To: time.Now().Add(clockSkew), By: byGuard,
	}, seen.Tokens)
	if seen.News {
		d.observe.SharedCause(settled.Upstream, class)
	}
	d.log.LogAttrs(ctx, slog.LevelError, "tokens fail alike: none is blamed", slog.String("upstream", settled.Upstream),
		slog.String("class", class), slog.String("model", report.Model), slog.Int("tokens", len(seen.Tokens)), slog.Int("undone", undone),
		slog.Bool("first_of_class", seen.News), slog.String("request_id", report.RequestID), slog.String("evidence", report.Detail), slog.Any("error", err))
	d.Freed(settled.Upstream)
	return true, err
}

// clockSkew is how far Redis's clock may be ahead of this one.
const clockSkew = time.Hour
