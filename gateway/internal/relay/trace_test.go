package relay

import (
	"context"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/tracing"
)

// traced makes a context whose request is traced, and what a test sees of that.
func traced(t *testing.T) (context.Context, *tracetest.SpanRecorder) {
	t.Helper()
	seen := tracetest.NewSpanRecorder()
	tracer := tracing.With(t.Context(), seen, sdktrace.AlwaysSample(), tracing.Service{Name: "gateway"})
	t.Cleanup(func() { tracer.Shutdown(context.Background()) })
	ctx, _ := tracer.Serve(t.Context(), "request")
	return ctx, seen
}

// spansTold is what spans say, in the order in which they ended: the name, and some attributes.
func spansTold(seen *tracetest.SpanRecorder, names ...attribute.Key) []string {
	var all []string
	for _, span := range seen.Ended() {
		line := span.Name()
		for _, name := range names {
			for _, each := range span.Attributes() {
				if each.Key == name && each.Value.String() != "" {
					line += " " + each.Value.String()
				}
			}
		}
		all = append(all, line)
	}
	return all
}

func TestSpansOfAttempts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		driver driverFunc
		change func(*rig)
		want   string
	}{
		"it goes well": {
			play(good(say("hi"))), func(*rig) {},
			"lease a|chat inner m 1 a 3 4",
		},
		"another token serves": {
			play(bad(upstream.RateLimit), good(say("hi"))), func(*rig) {},
			"lease a|chat inner m 1 a rate_limit|lease b|chat inner m 2 b 3 4",
		},
		"no token is free": {
			play(), func(r *rig) { r.pool.tokens = nil },
			"lease no_token_available",
		},
		"it ends in the middle": {
			play(bad(upstream.Truncated, say("hi"), usage)), func(*rig) {},
			"lease a|chat inner m 1 a truncated 3 4",
		},
		"of a lease taken ahead": {
			play(good(say("hi"))), func(r *rig) {
				r.pool.acquire = func(context.Context, lease.Demand) (*lease.Lease, error) {
					return &lease.Lease{ID: "1", TokenID: "a", Source: lease.Ahead}, nil
				}
			},
			"lease a ahead|chat inner m 1 a ahead 3 4",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, seen := traced(t)
			r := newRig(c.driver)
			c.change(r)
			r.chat(ctx, t, whole)
			got := strings.Join(spansTold(seen, "carousel.attempt", "carousel.token.id", "carousel.lease.source", "error.type", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"), "|")
			if got != c.want {
				t.Errorf("spans\n%s\nwant\n%s", got, c.want)
			}
			if id := r.log.entries[0].TraceID; id != tracing.ID(ctx) {
				t.Errorf("the log has the trace %q", id)
			}
		})
	}
}

// A driver that panics leaves no span open.
func TestSpansEndWithAPanic(t *testing.T) {
	t.Parallel()
	ctx, seen := traced(t)
	r := newRig(play())
	func() {
		defer func() { _ = recover() }()
		r.chat(ctx, t, whole)
	}()
	if got := spansTold(seen, "error.type"); len(got) != 2 || got[1] != "chat inner m interrupted" {
		t.Errorf("spans %q", got)
	}
}

// A token of the caller's own is told as such, and by nothing else.
func TestSpanOfAnOwnToken(t *testing.T) {
	t.Parallel()
	ctx, seen := traced(t)
	r := newRig(play(good(say("hi"))))
	r.bringsOwn()
	r.chat(ctx, t, whole)
	if got := spansTold(seen, "carousel.lease.source", "carousel.token.id"); len(got) != 1 || got[0] != "chat inner m own" {
		t.Errorf("spans %q", got)
	}
}

// Nothing that was asked or answered, and no secret, is in any span.
func TestSpansHaveNoContent(t *testing.T) {
	t.Parallel()
	ctx, seen := traced(t)
	newRig(play(bad(upstream.Auth), good(say("an answer")))).chat(ctx, t, whole)
	for _, span := range seen.Ended() {
		text := span.Name() + span.Status().Description
		for _, each := range span.Attributes() {
			text += " " + each.Value.String()
		}
		for _, secret := range []string{"hello", "an answer", "secret of", "masked", "alias of", "f-a", "it said so"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s tells %q: %s", span.Name(), secret, text)
			}
		}
	}
}

// Only upstreams of which the operator wants it are told the trace.
func TestWhichUpstreamsAreTold(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"up": true, "another": false} {
		ctx, _ := traced(t)
		var passed bool
		r := newRig(func(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
			request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", http.NoBody)
			passed = tracing.Named(request).Header.Get("Traceparent") != ""
			return play(good(say("hi")))(ctx, call)
		})
		r.relay.NamesTrace = func(upstreamName string) bool { return upstreamName == name }
		r.chat(ctx, t, whole)
		if passed != want {
			t.Errorf("where %s is to be told: %v", name, passed)
		}
	}
}
