package relay

import (
	"context"
	"iter"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// grouped plays scripts as play does, of an upstream that tells the group of each credential.
func grouped(groups map[string]string, scripts ...script) driverFunc {
	next := play(scripts...)
	return func(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
		if group := groups[call.Credential.Secret.Reveal()]; group != "" {
			call.Grouped(group)
		}
		return next(ctx, call)
	}
}

// What an answer tells of its token's group is reported, on success and on failure; after a
// limit of a group no lease will do that was taken before.
func TestGroupsAreReported(t *testing.T) {
	t.Parallel()
	limit := func(wide bool, wait time.Duration) script {
		return script{err: &upstream.Failure{Class: upstream.RateLimit, Message: "slow down", GroupWide: wide, RetryAfter: wait}}
	}
	r := newRig(grouped(map[string]string{"secret of a": "g1", "secret of c": "g2"}, limit(true, 0), limit(true, 0), good(say("Hello"))))
	if got := r.chat(t.Context(), t, whole); got.err != nil || got.text() != "Hello" {
		t.Fatalf("got %+v", got)
	}
	for i, want := range []struct {
		group string
		wide  bool
	}{{"g1", true}, {"", false}, {"g2", false}} { // of an unknown group nobody else is known
		if got := r.pool.settled[r.pool.granted[i]][0]; got.Group != want.group || got.GroupWide != want.wide {
			t.Errorf("attempt %d: %+v, want %+v", i+1, got, want)
		}
		if fresh := r.pool.demands[i].Fresh; fresh != (i > 0) {
			t.Errorf("demand %d: fresh %v", i+1, fresh)
		}
	}

	alone := newRig(grouped(nil, limit(false, 0), good(say("Hello"))))
	alone.chat(t.Context(), t, whole)
	if alone.pool.demands[1].Fresh {
		t.Error("a failure of one token says nothing of others")
	}
}

// Who finds all tokens at their limits is told when the first of them is back, not the last
// that was tried.
func TestTheEarliestTokenIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ told, pool, want time.Duration }{
		{time.Minute, 7 * time.Second, 7 * time.Second},
		{2 * time.Second, 7 * time.Second, 2 * time.Second},
		{0, 7 * time.Second, 7 * time.Second},
		{time.Minute, 0, time.Minute},
	} {
		limit := script{err: &upstream.Failure{Class: upstream.RateLimit, RetryAfter: c.told}}
		r := newRig(play(limit, limit, limit))
		r.policy.MaxAttempts, r.pool.refusal.RetryAfter = 9, c.pool
		if got := r.chat(t.Context(), t, whole); got.err == nil || got.err.Kind != chat.RateLimited || got.err.RetryAfter != c.want {
			t.Errorf("%+v: %+v", c, got.err)
		}
	}
}
