package relay

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/tracing"
)

// What a trace has of a request are two spans for each attempt: the wait for a lease, and the call
// of the upstream by the conventions for generative AI. Neither has anything that was asked or
// answered, nor a secret: tokens are told by their ids. Where a request is not traced its spans are
// nil, and nothing is done.

// keptOpen is the source of a lease that lay in the lot, ownToken that of a caller's own token.
const (
	keptOpen lease.Source = "kept"
	ownToken lease.Source = "own"
)

// tellLease ends the span of a wait for a lease.
func (r *run) tellLease(span trace.Span, held *lease.Lease, err error) {
	if span == nil {
		return
	}
	span.SetAttributes(attribute.String("carousel.upstream", r.target.Upstream), attribute.String("gen_ai.request.model", r.target.Model))
	if err != nil {
		refused := chat.AsError(err)
		tracing.Fail(span, string(refused.Kind), refused.Message)
	} else {
		span.SetAttributes(attribute.String("carousel.token.id", held.TokenID), attribute.String("carousel.lease.source", string(held.Source)))
	}
	span.End()
}

// beginAttempt begins the span of a call of the upstream, which is told of the trace where its
// operator wants that.
func (r *run) beginAttempt(ctx context.Context) context.Context {
	if r.relay.NamesTrace != nil && r.relay.NamesTrace(r.target.Upstream) {
		ctx = tracing.PassedOn(ctx)
	}
	ctx, r.span = tracing.Call(ctx, "attempt")
	if r.span == nil {
		return ctx
	}
	r.spanBegan, r.answered = time.Now(), false
	operation := r.cargo.operation()
	r.span.SetName(operation + " " + r.target.Model)
	r.span.SetAttributes(
		attribute.String("gen_ai.operation.name", operation),
		attribute.String("gen_ai.provider.name", r.target.Provider),
		attribute.String("gen_ai.request.model", r.target.Model),
		attribute.Bool("gen_ai.request.stream", r.entry.Stream),
		attribute.String("carousel.upstream", r.target.Upstream),
		attribute.Int("carousel.attempt", r.entry.Attempts),
		attribute.String("carousel.lease.source", string(r.source())),
	)
	if r.held != nil {
		r.span.SetAttributes(attribute.String("carousel.token.id", r.held.TokenID))
	}
	return ctx
}

// source is where the present attempt's lease has come from.
func (r *run) source() lease.Source {
	switch {
	case r.held == nil:
		return ownToken
	case r.resumes:
		return keptOpen
	default:
		return r.held.Source
	}
}

// answering notes, the first time, that the upstream's answer has begun.
func (r *run) answering() {
	if r.span == nil || r.answered {
		return
	}
	r.answered = true
	r.span.AddEvent("first_chunk")
	if r.entry.Stream {
		r.span.SetAttributes(attribute.Float64("gen_ai.response.time_to_first_chunk", time.Since(r.spanBegan).Seconds()))
	}
}

// endAttempt ends the span of a call of the upstream; failure is nil when it went well.
func (r *run) endAttempt(failure *upstream.Failure) {
	if r.span == nil {
		return
	}
	if failure != nil {
		tracing.Fail(r.span, string(failure.Class), "")
		if failure.Status != 0 {
			r.span.SetAttributes(attribute.Int("http.response.status_code", failure.Status))
		}
	}
	if usage := r.cargo.usage(); usage.Source != chat.UsageUnknown {
		r.span.SetAttributes(
			attribute.Int("gen_ai.usage.input_tokens", usage.Prompt),
			attribute.Int("gen_ai.usage.output_tokens", usage.Completion),
			attribute.Int("gen_ai.usage.cache_read.input_tokens", usage.CacheRead),
			attribute.Int("gen_ai.usage.cache_write.input_tokens", usage.CacheWrite),
			attribute.Int("gen_ai.usage.reasoning.output_tokens", usage.Reasoning),
			attribute.String("carousel.usage.source", string(usage.Source)),
		)
	}
	r.span.End()
	r.span = nil
}
