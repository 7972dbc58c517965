package relay

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// A token whose proxy lets nothing pass is passed over: that is no attempt on the upstream,
// and takes nothing of the budget of retries.
func TestTokensBehindDeadProxiesArePassedOver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []script
		want    chat.Kind // empty: it is answered
	}{
		"five, and one that is open":      {append(times(5, bad(upstream.Proxy)), good(say("Hello"))), ""},
		"a hundred, and one that is open": {append(times(100, bad(upstream.Proxy)), good(say("Hello"))), ""},
		"attempts count beside them": {
			append(times(5, bad(upstream.Proxy)), bad(upstream.Broken), bad(upstream.Proxy), bad(upstream.Broken), bad(upstream.Broken)),
			chat.UpstreamUnavailable,
		},
		"all of them": {times(maxClosed, bad(upstream.Proxy)), chat.UpstreamUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(play(c.answers...))
			r.pool.tokens = nil
			for i := range 2 * maxClosed {
				r.pool.tokens = append(r.pool.tokens, fmt.Sprint(i))
			}
			got := r.chat(t.Context(), t, whole)
			if c.want == "" && (got.err != nil || got.text() != "Hello") || c.want != "" && (got.err == nil || got.err.Kind != c.want) {
				t.Errorf("got %+v", got)
			}
			if len(r.calls) != len(c.answers) || r.count.denied != 0 {
				t.Errorf("%d calls, want %d; %d retries denied", len(r.calls), len(c.answers), r.count.denied)
			}
		})
	}
}

// Proxies that are silent cost time, so few of them are tried.
func TestFewSilentProxiesAreTried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		r := newRig(func(context.Context, *upstream.Call) iter.Seq2[chat.Event, error] {
			return func(yield func(chat.Event, error) bool) {
				calls++
				time.Sleep(10 * time.Second)
				yield(chat.Event{}, &upstream.Failure{Class: upstream.Proxy, Message: "it is silent"})
			}
		})
		r.pool.tokens = nil
		for i := range 2 * fewClosed {
			r.pool.tokens = append(r.pool.tokens, fmt.Sprint(i))
		}
		if got := r.chat(t.Context(), t, whole); got.err == nil || calls != fewClosed {
			t.Errorf("%d tokens were tried: %+v", calls, got)
		}
	})
}

func times(n int, each script) []script {
	scripts := make([]script, n)
	for i := range scripts {
		scripts[i] = each
	}
	return scripts
}
