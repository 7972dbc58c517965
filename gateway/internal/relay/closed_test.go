package relay

import (
	"fmt"
	"testing"

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
		"five, and one that is open": {append(times(5, bad(upstream.Proxy)), good(say("Hello"))), ""},
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

func times(n int, each script) []script {
	scripts := make([]script, n)
	for i := range scripts {
		scripts[i] = each
	}
	return scripts
}
