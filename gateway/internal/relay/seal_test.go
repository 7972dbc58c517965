package relay

import (
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

func refusedSeal(events ...chat.Event) script {
	return script{events: events, err: &upstream.Failure{Class: upstream.SealRefused, Message: "invalid signature"}}
}

// A seal of another account is no token's fault: the same token is asked once more,
// without it.
func TestARefusedSealIsLeftOut(t *testing.T) {
	t.Parallel()
	r := newRig(play(refusedSeal(begin), good(say("Hello"))))
	got := r.chat(t.Context(), t, whole)
	if got.err != nil || got.text() != "Hello" || len(r.calls) != 2 || r.calls[0].WithoutSeals || !r.calls[1].WithoutSeals {
		t.Fatalf("%+v, %d calls", got, len(r.calls))
	}
	if r.calls[0].Credential != r.calls[1].Credential {
		t.Error("another token was asked")
	}
	r.countedFirst(t, upstream.SealRefused)
	if e := r.ended(t, ""); e.Attempts != 2 || len(e.AttemptLog) != 2 {
		t.Errorf("entry %+v", e)
	}
}

func TestARefusedSealIsLeftOutOnce(t *testing.T) {
	t.Parallel()
	for name, answers := range map[string][]script{
		"refused again":            {refusedSeal(), refusedSeal(), good(say("no"))},
		"after some of the answer": {refusedSeal(say("Hel")), good(say("no"))},
	} {
		r := newRig(play(answers...))
		got := r.chat(t.Context(), t, whole)
		if got.err == nil || got.err.Kind != chat.UpstreamRejected || len(r.calls) != len(answers)-1 {
			t.Errorf("%s: %+v, %d calls", name, got, len(r.calls))
		}
		if len(r.calls) == 2 {
			r.countedFirst(t, upstream.SealRefused)
		}
		r.ended(t, upstream.SealRefused)
	}
}

// countedFirst judges the first attempt that was counted, and takes it away: it had the
// lease of the next.
func (r *rig) countedFirst(t *testing.T, want upstream.Class) {
	t.Helper()
	if len(r.count.attempts) != 2 || r.count.attempts[0] != want {
		t.Fatalf("attempts counted: %q", r.count.attempts)
	}
	r.count.attempts = r.count.attempts[1:]
}
