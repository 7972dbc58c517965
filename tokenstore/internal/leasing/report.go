package leasing

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Report ends a lease with an outcome.
type Report struct {
	LeaseRef
	Outcome    tokenstorev1.Outcome
	Model      string
	RetryAfter time.Duration
	Detail     string
	RequestID  string
	// ModelOnly: the outcome is about the token with the model only.
	ModelOnly bool
	// Group is the token's at its upstream; empty: none is known. GroupWide: the outcome is
	// about all tokens of it.
	Group     string
	GroupWide bool
	// Age is how long ago the request ended.
	Age time.Duration
	// Replica is the gateway's name.
	Replica string
}

// Settle ends the leases and lets their tokens cool where the outcomes say so.
// On an error the reports may be repeated: what has been carried out changes
// nothing twice. With [Deferred] the others have been carried out.
func (d *Desk) Settle(ctx context.Context, reports []Report) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	d.noteUse()
	settlements := settlementsOf(reports)
	settled, err := d.store.Settle(ctx, settlements)
	d.ended(settled)
	return d.concluded(ctx, nil, settlements, settled, err)
}

// Reconcile takes in how requests ended that a replica served from its reserve. On
// an error the reports may be repeated. With [Deferred] the others have been counted.
func (d *Desk) Reconcile(ctx context.Context, replica string, numbers []uint64, reports []Report) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	uses, settlements := make([]ReservedUse, len(reports)), settlementsOf(reports)
	for i, settlement := range settlements {
		uses[i] = ReservedUse{Number: numbers[i], Settlement: settlement}
	}
	settled, err := d.store.Reconcile(ctx, replica, uses)
	return d.concluded(ctx, numbers, settlements, settled, err)
}

// concluded carries out what follows from what the store has settled with an error. What both
// defer is deferred. Uses of a reserve have numbers.
func (d *Desk) concluded(ctx context.Context, numbers []uint64, settlements []Settlement, settled []Settled, err error) error {
	first, part := errors.AsType[*Deferred](err)
	if d.noted(err) != nil && !part {
		return err
	}
	undone := d.noted(d.carriedOut(ctx, numbers, settlements, settled))
	if more, is := errors.AsType[*Deferred](undone); is && part {
		first.join(more)
		return err
	}
	return cmp.Or(undone, err)
}

func settlementsOf(reports []Report) []Settlement {
	settlements := make([]Settlement, len(reports))
	for i, report := range reports {
		settlements[i] = Settlement{
			LeaseRef: report.LeaseRef, Effect: effectOf(report.Outcome), Error: report.Detail, Model: report.Model, Group: groupOf(report), Age: report.Age,
			Verdict: verdictOn(report, rand.Float64()), //nolint:gosec // jitter needs no secrecy
		}
	}
	return settlements
}

// groupForm is what a group may be called: it becomes part of a key.
var groupForm = regexp.MustCompile(`^[0-9a-z]{1,64}$`)

// groupOf is the group that a report names, if it may be called so.
func groupOf(report Report) string {
	if !groupForm.MatchString(report.Group) {
		return ""
	}
	return report.Group
}

// ended tells the queues that leases of their upstreams have ended.
func (d *Desk) ended(settled []Settled) {
	last := ""
	for _, each := range settled {
		if each.Live && each.Upstream != last {
			last = each.Upstream
			d.Freed(last)
		}
	}
}

func effectOf(outcome tokenstorev1.Outcome) Effect {
	switch outcome {
	case tokenstorev1.Outcome_OUTCOME_SUCCESS:
		return Succeeded
	case tokenstorev1.Outcome_OUTCOME_UNUSED:
		return Unused
	case tokenstorev1.Outcome_OUTCOME_CALLER_FAULT, tokenstorev1.Outcome_OUTCOME_CLIENT_GONE, tokenstorev1.Outcome_OUTCOME_TOO_LARGE:
		return Neutral
	default:
		return Failed
	}
}
