package relay

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// wantUnknown checks that the client is told of a model that is not there.
func wantUnknown(t *testing.T, got answer) {
	t.Helper()
	if got.err == nil || got.err.Kind != chat.ModelNotFound || got.err.Param != "model" || got.err.RetryAfter != 0 || !strings.Contains(got.err.Message, "it said so") {
		t.Errorf("got %+v", got.err)
	}
}

func TestModelThatTheUpstreamDoesNotKnowIsNoTokensMatter(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.ModelUnknown), good(say("Hello"))))
	wantUnknown(t, r.chat(t.Context(), t, whole))
	if e := r.ended(t, upstream.ModelUnknown); len(r.calls) != 1 || e.Attempts != 1 || e.AttemptLog[0].Effect != "none" {
		t.Errorf("%d calls, entry %+v", len(r.calls), e)
	}
}

// The upstream itself lists the model: perhaps the one key may not use it.
func TestModelThatTheUpstreamListsIsAskedForWithOneMoreToken(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		scripts []script
		text    string
		classes []upstream.Class
	}{
		"the other may":     {[]script{bad(upstream.ModelUnknown), good(say("Hello"))}, "Hello", []upstream.Class{upstream.ModelUnknown, ""}},
		"the other may not": {[]script{bad(upstream.ModelUnknown), bad(upstream.ModelUnknown), good(say("Hello"))}, "", []upstream.Class{upstream.ModelUnknown, upstream.ModelUnknown}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(play(test.scripts...))
			r.relay.Catalog = listed{r.relay.Catalog}
			got := r.chat(t.Context(), t, whole)
			if test.text == "" {
				wantUnknown(t, got)
			}
			if got.text() != test.text {
				t.Errorf("got %+v", got)
			}
			r.ended(t, test.classes...)
		})
	}
}

// listed is a Catalog of models that upstreams list.
type listed struct{ Catalog }

func (l listed) Resolve(wish catalog.Wish) (catalog.Plan, error) {
	plan, err := l.Catalog.Resolve(wish)
	plan.First.Listed = true
	return plan, err
}

// Others are served the model: the token that is told otherwise lacks the permission,
// until a second one is told so too.
func TestModelThatOthersAreServedIsATokensMatter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		unknown := func() script { return bad(upstream.ModelUnknown) }
		r := newRig(play(good(say("Hello")), unknown(), good(say("Hello")), unknown(), unknown(), unknown(), good(say("Hello")), unknown()))
		for i, want := range [][]upstream.Class{
			{""},
			{upstream.ModelNotAllowed, ""},
			{upstream.ModelNotAllowed, upstream.ModelUnknown}, // it is gone
			{upstream.ModelUnknown},
			{""},
			{upstream.ModelUnknown}, // the day after
		} {
			if i == 5 {
				time.Sleep(servedFor)
			}
			r.count.attempts = nil
			got := r.chat(t.Context(), t, whole)
			if !slices.Equal(r.count.attempts, want) {
				t.Errorf("request %d: %q, want %q", i, r.count.attempts, want)
			}
			if last := want[len(want)-1]; last == "" && got.text() != "Hello" {
				t.Errorf("request %d: %+v", i, got)
			} else if last != "" {
				if got.err == nil || got.err.Kind != chat.ModelNotFound {
					t.Errorf("request %d: %+v", i, got)
				}
			}
		}
	})
}

func TestServedModelsAreBounded(t *testing.T) {
	t.Parallel()
	var s served
	now := time.Now()
	for i := range 3 * maxServed {
		s.note(catalog.Target{Upstream: "up", Model: strings.Repeat("m", i)}, now)
	}
	if last := (catalog.Target{Upstream: "up", Model: strings.Repeat("m", 3*maxServed-1)}); len(s.at) != maxServed || !s.lately(last, now) {
		t.Errorf("%d models, the last one known: %t", len(s.at), s.lately(last, now))
	}
}
