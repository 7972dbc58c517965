package relay

import (
	"context"
	"iter"
	"slices"
	"testing"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// tunes makes names lead by routes with parameters, and the request's dialect say these in it:
// it tells of them in the effort.
func (r *rig) tunes(parameters map[string]string) {
	resolve := r.relay.Catalog
	r.relay.Catalog = plansFunc(func(wish catalog.Wish) (catalog.Plan, error) {
		plan, err := resolve.Resolve(wish)
		if value := parameters[wish.Model]; value != "" {
			plan.Parameters = []chat.Parameter{{Name: chat.SetEffort, Value: value}}
		}
		return plan, err
	})
	r.relay.Tune = func(request *chat.Request, parameters []chat.Parameter) (*chat.Request, error) {
		if parameters[0].Value == "impossible" {
			return nil, chat.Errorf(chat.InvalidRequest, "impossible")
		}
		tuned := &chat.Request{ID: request.ID, Created: request.Created, Model: request.Model, Messages: request.Messages}
		tuned.Thinking.Effort = request.Thinking.Effort + chat.Effort(parameters[0].Value)
		return tuned, nil
	}
}

// A request is tuned once, before it is sent anywhere; what it belongs to stays.
func TestARequestIsTunedByItsRoute(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.TooLarge), good(say("ok"))))
	r.leads("a", "b")
	r.tunes(map[string]string{"m": "low"})
	request := newRequest()
	request.Session, request.User = "session", "user"
	request.Locate = func(int, int) string { return "here" }
	if got := r.chatWith(t.Context(), t, request, whole); got.err != nil || len(r.calls) != 2 {
		t.Fatalf("got %+v", got)
	}
	for i, call := range r.calls {
		tuned := call.Request
		if tuned.Thinking.Effort != "low" || tuned.Session != "session" || tuned.User != "user" || tuned.Locate == nil || tuned.Place(0, 0) != "here" {
			t.Errorf("call %d: %+v", i, tuned)
		}
	}
	if request.Thinking.Effort != "" {
		t.Error("the client's own request was changed")
	}
}

func TestARequestThatCannotBeTunedIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.tunes(map[string]string{"m": "impossible"})
	if got := r.chat(t.Context(), t, whole); got.err == nil || got.err.Message != "impossible" || len(r.pool.demands) != 0 {
		t.Errorf("got %+v", got.err)
	}
}

// A fallback can go by a route of its own: what that says holds, unless it says it of requests
// that say nothing. What another fallback has said does not.
func TestAFallbackIsTunedByItsRoute(t *testing.T) {
	t.Parallel()
	for fallback, want := range map[string]chat.Effort{"plain": "low", "tuned": "max", "default": "low"} {
		r := newRig(play(bad(upstream.TooLarge), bad(upstream.TooLarge), good(say("ok"))))
		r.tunes(map[string]string{"m": "low", "tuned": "max", "default": "max", "tried": "minimal", "bad": "impossible"})
		resolve := r.relay.Catalog
		r.relay.Catalog = plansFunc(func(wish catalog.Wish) (catalog.Plan, error) {
			plan, err := resolve.Resolve(wish)
			if wish.Model == "default" {
				plan.Parameters[0].OnlyDefault = true
			}
			plan.First.Discipline = &catalog.Discipline{RetryPercent: 100, FallbackLists: map[string][]string{"inner m": {"bad", "tried", fallback}}}
			return plan, err
		})
		if got := r.chat(t.Context(), t, whole); got.err != nil || r.calls[2].Request.Thinking.Effort != want {
			t.Errorf("%s: %+v", fallback, got.err)
		}
	}
}

// fitting is a native driver whose models know other efforts than routes say: none is said to
// those that know none.
type fitting struct {
	nativeDriver
	knows chat.Effort
}

func (f fitting) Fit(_ *chat.Request, _ string, parameters []chat.Parameter) []chat.Parameter {
	if f.knows == "" {
		return nil
	}
	return []chat.Parameter{{Name: parameters[0].Name, Value: string(f.knows)}}
}

// A request that goes as it came is tuned in the words that the target's model takes. One that
// is translated is left to its driver.
func TestAVerbatimRequestIsTunedAsItsTargetTakesIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dialect string
		knows   chat.Effort
		want    chat.Effort
		ignored []string
	}{
		"the same word":    {"spoken", "low", "low", nil},
		"another word":     {"spoken", "least", "least", nil},
		"no word":          {"spoken", "", "", []string{"reasoning_effort"}},
		"it is translated": {"other", "least", "low", nil},
	} {
		r := newRig(nil)
		var sent *chat.Request
		play := play(good(say("ok")))
		driver := driverFunc(func(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
			sent = call.Request
			return play(ctx, call)
		})
		r.relay.Catalog = namedBy{"m": fitting{nativeDriver{driver, c.dialect}, c.knows}}
		r.tunes(map[string]string{"m": "low"})
		tune := r.relay.Tune
		r.relay.Tune = func(request *chat.Request, parameters []chat.Parameter) (*chat.Request, error) {
			tuned, err := tune(request, parameters)
			tuned.Source = request.Source
			return tuned, err
		}
		if got := r.chatWith(t.Context(), t, spokenRequest(), whole); got.err != nil {
			t.Fatalf("%s: %+v", name, got)
		}
		if sent.Thinking.Effort != c.want || !slices.Equal(r.count.ignored, c.ignored) {
			t.Errorf("%s: the effort is %q, ignored %q", name, sent.Thinking.Effort, r.count.ignored)
		}
	}
}
