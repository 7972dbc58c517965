package leasing

import (
	"context"
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
	// Replica is the gateway's name.
	Replica string
}

// Settle ends the leases and lets their tokens cool where the outcomes say so.
// On an error the reports may be repeated: what has been carried out changes
// nothing twice.
func (d *Desk) Settle(ctx context.Context, reports []Report) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	settlements := make([]Settlement, len(reports))
	for i, report := range reports {
		settlements[i] = Settlement{LeaseRef: report.LeaseRef, Effect: effectOf(report.Outcome), Error: report.Detail, Model: report.Model}
	}
	settled, err := d.store.Settle(ctx, settlements)
	if err != nil {
		return d.noted(err)
	}
	d.ended(settled)
	for i, report := range reports {
		if err := d.judge(ctx, report, settled[i]); err != nil {
			return err
		}
	}
	return nil
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

// Reconcile takes in how requests ended that a replica served from its reserve. On
// an error the reports may be repeated.
func (d *Desk) Reconcile(ctx context.Context, replica string, numbers []uint64, reports []Report) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	uses := make([]ReservedUse, len(reports))
	for i, report := range reports {
		uses[i] = ReservedUse{
			Number:     numbers[i],
			Settlement: Settlement{LeaseRef: report.LeaseRef, Effect: effectOf(report.Outcome), Error: report.Detail},
		}
	}
	settled, err := d.store.Reconcile(ctx, replica, uses)
	if err != nil {
		return d.noted(err)
	}
	for i, report := range reports {
		if err := d.judge(ctx, report, settled[i]); err != nil {
			return err
		}
	}
	return nil
}
