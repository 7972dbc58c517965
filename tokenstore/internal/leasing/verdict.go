package leasing

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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
	// Judged is an outcome of a class that counted against a token, and what that became: cooling
	// or parked, or shared where tokens share the cause and none is blamed.
	Judged(upstream, class, became string)
	// Answered is the answer to a demand: so many leases, or none and why. ahead: no request waited
	// for it.
	Answered(upstream string, ahead bool, leases int, refused string, waited time.Duration)
}

// verdictOn is what a report does to the token beyond the counters; nil: nothing.
func verdictOn(report Report, jitter float64) *Verdict {
	judge := rotation.Judge
	if report.ModelOnly && report.Model != "" {
		judge = rotation.JudgeForModel
	}
	wide := report.GroupWide && groupOf(report) != ""
	verdict := Verdict{
		Class: token.Class(report.Outcome), Shareable: rotation.Shareable(report.Outcome, report.RetryAfter, wide), GroupWide: wide,
		Evidence: Evidence{RequestID: report.RequestID, AskedModel: report.Model, Detail: report.Detail, Replica: report.Replica},
	}
	steps := rotation.Steps(judge, report.Outcome, report.RetryAfter, jitter)
	switch scope := steps[0].Scope; {
	case scope == rotation.Nothing && !verdict.Shareable:
		return nil
	case scope == rotation.Nothing, scope == rotation.Model && report.Model == "": // without a name it would be the whole token
		return &verdict
	case scope == rotation.Model:
		verdict.Model = report.Model
	}
	for _, step := range steps {
		verdict.CoolFor = append(verdict.CoolFor, step.CoolFor)
	}
	return &verdict
}

// carriedOut logs what verdicts have done, and has undone what was done to tokens that
// turn out to be not to blame. With [Deferred] that is to be done for the pools which it names,
// when their reports are repeated: those of uses, which have numbers, by these.
func (d *Desk) carriedOut(ctx context.Context, numbers []uint64, settlements []Settlement, settled []Settled) error {
	var wronged []string
	for i, each := range settled {
		if each.Became != Unchanged && settlements[i].Verdict != nil {
			d.observe.Judged(each.Upstream, settlements[i].Verdict.Class, string(each.Became))
		}
		if each.Became == Cooling || each.Became == Parked {
			verdict := settlements[i].Verdict
			d.log.LogAttrs(ctx, slog.LevelWarn, "token cools or is parked", slog.String("token_id", settlements[i].TokenID),
				slog.String("upstream", each.Upstream), slog.String("model", verdict.Model), slog.String("class", verdict.Class),
				slog.Bool("parked", each.Became == Parked), slog.Duration("for", each.CoolFor), slog.Int("streak", each.Streak), slog.Int("others_of_group", each.Others),
				slog.String("request_id", verdict.RequestID), slog.String("evidence", verdict.Detail))
		}
		if each.Wronged && !slices.Contains(wronged, each.Upstream) {
			wronged = append(wronged, each.Upstream)
		}
	}
	later := &Deferred{}
	for _, upstream := range wronged {
		err := d.pardon(ctx, upstream)
		if away, is := errors.AsType[*PoolAway](err); is {
			later.Add(away)
			for i, each := range settled {
				switch {
				case each.Upstream != upstream:
				case numbers != nil:
					later.Uses = append(later.Uses, numbers[i])
				default:
					later.Leases = append(later.Leases, settlements[i].LeaseRef)
				}
			}
			continue
		}
		if err != nil {
			return err
		}
	}
	return later.OrNil()
}

// pardon undoes what was done to an upstream's wronged tokens.
func (d *Desk) pardon(ctx context.Context, upstream string) error {
	for {
		pardoned, err := d.store.Pardon(ctx, upstream, byGuard)
		if err != nil || pardoned == nil {
			return err
		}
		if pardoned.News {
			d.observe.SharedCause(upstream, pardoned.Class)
		}
		d.log.LogAttrs(ctx, slog.LevelError, "tokens fail alike: none is blamed", slog.String("upstream", upstream),
			slog.String("class", pardoned.Class), slog.String("model", pardoned.Model), slog.Int("tokens", pardoned.Failed),
			slog.Int("undone", pardoned.Undone), slog.Bool("first_of_class", pardoned.News), slog.String("request_id", pardoned.RequestID))
		d.Freed(upstream)
	}
}
