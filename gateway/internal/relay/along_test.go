package relay

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/tokencount"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
)

// leads makes the name "m" lead to these upstreams, one after the other; others lead on as they
// did. It returns what has been wished for.
func (r *rig) leads(upstreams ...string) *[]catalog.Wish {
	resolve := r.relay.Catalog
	var wishes []catalog.Wish
	r.relay.Catalog = plansFunc(func(wish catalog.Wish) (catalog.Plan, error) {
		wishes = append(wishes, wish)
		plan, err := resolve.Resolve(wish)
		if wish.Model != "m" || err != nil {
			return plan, err
		}
		targets := make([]catalog.Target, len(upstreams))
		for i, name := range upstreams {
			targets[i] = plan.First
			targets[i].Upstream, targets[i].Model = name, "model of "+name
		}
		return catalog.InOrder(targets[0], targets[1:]...), nil
	})
	return &wishes
}

// plansFunc is a Catalog.
type plansFunc func(wish catalog.Wish) (catalog.Plan, error)

func (f plansFunc) Resolve(wish catalog.Wish) (catalog.Plan, error) { return f(wish) }

func (plansFunc) Current(target catalog.Target) catalog.Target { return target }

// refusedAt is a pool without a token of these upstreams, which says so by the kind.
func (r *rig) refusedAt(refusals map[string]*chat.Error) {
	r.pool.acquire = func(_ context.Context, demand lease.Demand) (*lease.Lease, error) {
		if refused := refusals[demand.Upstream]; refused != nil {
			return nil, refused
		}
		held := &lease.Lease{ID: "of " + demand.Upstream, TokenID: "token of " + demand.Upstream}
		r.pool.granted = append(r.pool.granted, held)
		return held, nil
	}
}

// asked are the upstreams of which tokens were asked for, in order.
func (r *rig) asked() (upstreams []string) {
	for _, demand := range r.pool.demands {
		upstreams = append(upstreams, demand.Upstream)
	}
	return upstreams
}

func TestTheNextTargetServesWhereOneCannot(t *testing.T) {
	t.Parallel()
	busy := &chat.Error{Kind: chat.NoTokenAvailable, Message: "busy", RetryAfter: 7 * time.Second}
	for name, c := range map[string]struct {
		scripts  []script
		refusals map[string]*chat.Error
		asked    []string // upstreams of demands
		text     string
		kind     chat.Kind
		upstream string // of the log entry
	}{
		"the first can": {
			scripts: []script{good(say("first"))}, asked: []string{"a"}, text: "first", upstream: "a",
		},
		"its tokens fail": {
			scripts: []script{bad(upstream.TooLarge), good(say("second"))}, asked: []string{"a", "b"}, text: "second", upstream: "b",
		},
		"its tokens rest": {
			scripts: []script{good(say("second"))}, refusals: map[string]*chat.Error{"a": busy},
			asked: []string{"a", "b"}, text: "second", upstream: "b",
		},
		"it has none": {
			scripts: []script{good(say("second"))}, refusals: map[string]*chat.Error{"a": {Kind: chat.NoTokens}},
			asked: []string{"a", "b"}, text: "second", upstream: "b",
		},
		"all of its tokens fail alike": {
			scripts: []script{good(say("second"))}, refusals: map[string]*chat.Error{"a": {Kind: chat.UpstreamUnavailable}},
			asked: []string{"a", "b"}, text: "second", upstream: "b",
		},
		"two can't": {
			scripts: []script{bad(upstream.Quota), good(say("third"))}, refusals: map[string]*chat.Error{"a": busy},
			asked: []string{"a", "b", "b", "c"}, text: "third", upstream: "c",
		},
		"the store is away, for all of them": {
			refusals: map[string]*chat.Error{"a": {Kind: chat.StoreUnavailable}}, asked: []string{"a"}, kind: chat.StoreUnavailable, upstream: "a",
		},
		"the caller's fault is everybody's": {
			scripts: []script{bad(upstream.CallerFault)}, asked: []string{"a"}, kind: chat.UpstreamRejected, upstream: "a",
		},
		"nothing after the first byte": {
			scripts: []script{bad(upstream.Broken, say("fir"))}, asked: []string{"a"}, text: "fir", kind: chat.UpstreamUnavailable, upstream: "a",
		},
		"none can: what passes is told": {
			refusals: map[string]*chat.Error{"a": busy, "b": {Kind: chat.NoTokens}, "c": {Kind: chat.NoTokens}},
			asked:    []string{"a", "b", "c"}, kind: chat.NoTokenAvailable, upstream: "c",
		},
		"the caller's fault settles it": {
			scripts: []script{bad(upstream.Quota), bad(upstream.CallerFault)}, refusals: map[string]*chat.Error{"a": busy},
			asked: []string{"a", "b", "b", "c"}, kind: chat.UpstreamRejected, upstream: "c",
		},
		"none can: the last is told": {
			scripts:  []script{bad(upstream.TooLarge), bad(upstream.TooLarge), bad(upstream.OutdatedClient)},
			refusals: nil, asked: []string{"a", "b", "c"}, kind: chat.OutdatedClient, upstream: "c",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(play(c.scripts...))
			r.leads("a", "b", "c")
			r.policy.MaxAttempts = 2
			refusals := map[string]*chat.Error{}
			for name, refused := range c.refusals {
				refusals[name] = refused
			}
			r.refusedAt(refusals)
			if len(c.asked) == 4 { // the token of b is the only one
				acquire := r.pool.acquire
				r.pool.acquire = func(ctx context.Context, demand lease.Demand) (*lease.Lease, error) {
					if len(demand.Exclude) > 0 {
						return nil, busy
					}
					return acquire(ctx, demand)
				}
			}
			got := r.chat(t.Context(), t, whole)
			if got.text() != c.text || (got.err == nil) != (c.kind == "") || got.err != nil && got.err.Kind != c.kind {
				t.Errorf("got %q, %v", got.text(), got.err)
			}
			if asked := r.asked(); !slices.Equal(asked, c.asked) {
				t.Errorf("asked %v", asked)
			}
			e := r.log.entries[0]
			if len(r.log.entries) != 1 || e.Upstream != c.upstream || e.Model != "m" || e.FallbackModel != "" || r.count.fallbacks != 0 {
				t.Errorf("entry %+v", e)
			}
			for _, call := range r.calls[max(len(r.calls)-1, 0):] {
				if got.err == nil && call.Model != "model of "+c.upstream {
					t.Errorf("sent as %q", call.Model)
				}
			}
			if _, err := r.pool.classes(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Of several targets that are at their limits a client waits for the one that is back first. What
// each of them has said stays as it is: others may be told the same.
func TestTheEarliestTargetIsWaitedFor(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.leads("a", "b")
	late := &chat.Error{Kind: chat.NoTokenAvailable, RetryAfter: time.Minute}
	r.refusedAt(map[string]*chat.Error{"a": {Kind: chat.NoTokenAvailable, RetryAfter: 2 * time.Second}, "b": late})
	defer func() {
		if late.RetryAfter != time.Minute {
			t.Errorf("b says %s now", late.RetryAfter)
		}
	}()
	if got := r.chat(t.Context(), t, whole); got.err == nil || got.err.RetryAfter != 2*time.Second {
		t.Errorf("got %+v", got.err)
	}
}

// All targets together are waited for no longer than one, and none for long while there are others.
func TestARequestQueuesNoLongerForSeveralTargets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(nil)
		r.leads("a", "b", "c")
		r.policy.QueueWait = 3 * time.Second
		var waits []time.Duration
		r.pool.acquire = func(_ context.Context, demand lease.Demand) (*lease.Lease, error) {
			waits = append(waits, demand.MaxWait)
			<-time.After(demand.MaxWait)
			return nil, &chat.Error{Kind: chat.NoTokenAvailable}
		}
		r.chat(t.Context(), t, whole)
		if want := []time.Duration{250 * time.Millisecond, 250 * time.Millisecond, 2500 * time.Millisecond}; !slices.Equal(waits, want) {
			t.Errorf("it waits %v", waits)
		}
	})
}

// Each request begins at its first target: the second one serves while that can't, and no
// longer.
func TestTheFirstTargetIsTriedAgainByTheNextRequest(t *testing.T) {
	t.Parallel()
	down := false
	r := newRig(func(_ context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
		if down && call.Model == "model of a" {
			return play(bad(upstream.OutdatedClient))(nil, nil)
		}
		return play(good(say(call.Model)))(nil, nil)
	})
	r.leads("a", "b")
	for i, now := range []bool{false, true, true, false} {
		down = now
		want := map[bool]string{false: "model of a", true: "model of b"}[now]
		if got := r.chat(t.Context(), t, whole); got.text() != want {
			t.Errorf("request %d: %q, %v", i, got.text(), got.err)
		}
	}
}

// A target of the same upstream again is a retry, for which there must be a budget.
func TestAnotherModelOfTheUpstreamIsARetry(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.TooLarge), good(say("never"))))
	r.leads("a", "a")
	resolve := r.relay.Catalog
	r.relay.Catalog = plansFunc(func(wish catalog.Wish) (catalog.Plan, error) {
		plan, err := resolve.Resolve(wish)
		second, _ := plan.Next()
		plan.First.Discipline = &catalog.Discipline{RetryPercent: 0}
		return catalog.InOrder(plan.First, second), err
	})
	if got := r.chat(t.Context(), t, whole); got.err == nil || got.err.Kind != chat.ContextTooLong || len(r.calls) != 1 || r.count.denied != 1 {
		t.Errorf("got %+v, %d calls", got, len(r.calls))
	}
}

// What no other model may answer, such as a question for vectors, stays with the model.
func TestWhatNeedsItsModelIsSentToTheSameModelOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		second string
		asked  []string
	}{
		"the same":    {"model of a", []string{"a", "b"}},
		"another one": {"model of b", []string{"a"}},
	} {
		r := newRig(nil)
		r.leads("a", "b")
		r.refusedAt(map[string]*chat.Error{"a": {Kind: chat.NoTokens}, "b": {Kind: chat.NoTokens}})
		resolve := r.relay.Catalog
		r.relay.Catalog = plansFunc(func(wish catalog.Wish) (catalog.Plan, error) {
			plan, err := resolve.Resolve(wish)
			second, _ := plan.Next()
			second.Model = c.second
			return catalog.InOrder(plan.First, second), err
		})
		for range r.relay.Carry(t.Context(), &carried.Request{Model: "m", Route: &carried.Route{Name: "embeddings", SameModel: true}}, caller.Caller{}, lease.Choice{}) {
			continue
		}
		if asked := r.asked(); !slices.Equal(asked, c.asked) {
			t.Errorf("%s: asked %v", name, asked)
		}
	}
}

// A caller that chose a token by its alias finds it in whichever pool it is, and is served with
// no other.
func TestAChosenTokenIsLookedForAlongTheRoute(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refusals map[string]*chat.Error
		scripts  []script
		asked    []string
		kind     chat.Kind
	}{
		"it is of the second": {
			refusals: map[string]*chat.Error{"a": {Kind: chat.AliasNotFound}}, scripts: []script{good(say("ok"))}, asked: []string{"a", "b"},
		},
		"it is of nobody": {
			refusals: map[string]*chat.Error{"a": {Kind: chat.AliasNotFound}, "b": {Kind: chat.AliasNotFound}},
			asked:    []string{"a", "b"}, kind: chat.AliasNotFound,
		},
		"it is busy":    {refusals: map[string]*chat.Error{"a": {Kind: chat.NoTokenAvailable}}, asked: []string{"a"}, kind: chat.NoTokenAvailable},
		"it has failed": {scripts: []script{bad(upstream.Quota)}, asked: []string{"a"}, kind: chat.RateLimited},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(play(c.scripts...))
			r.leads("a", "b")
			r.choice.Alias = "work"
			r.refusedAt(c.refusals)
			got := r.chat(t.Context(), t, whole)
			if asked := r.asked(); !slices.Equal(asked, c.asked) || (got.err == nil) != (c.kind == "") || got.err != nil && got.err.Kind != c.kind {
				t.Errorf("asked %v, got %v", asked, got.err)
			}
		})
	}
}

// What goes on with an answer that an upstream keeps is sent to that, with the token that the
// answer was made with, or not at all.
func TestAPinnedRequestHasOneTokenOnly(t *testing.T) {
	t.Parallel()
	for class, want := range map[upstream.Class]chat.Kind{
		"": "", upstream.Auth: chat.UpstreamAuth, upstream.Broken: chat.UpstreamUnavailable, upstream.TooLarge: chat.ContextTooLong,
	} {
		answer := good(say("ok"))
		if class != "" {
			answer = bad(class)
		}
		r := newRig(play(answer))
		r.policy.Affinity = Conversations
		wishes := r.leads("kept", "other")
		r.choice = lease.Choice{Upstream: "kept", TokenID: "b"}
		request := newRequest()
		request.Session = "s"
		got := r.chatWith(t.Context(), t, request, whole)
		if (got.err == nil) != (want == "") || got.err != nil && got.err.Kind != want {
			t.Errorf("%q: %+v", class, got)
		}
		if len(*wishes) != 1 || (*wishes)[0].Upstream != "kept" {
			t.Errorf("%q: wished for %+v", class, *wishes)
		}
		if d := r.pool.demands; len(d) != 1 || d[0].Upstream != "kept" || d[0].TokenID != "b" || d[0].Alias != "" || d[0].Affinity != "" {
			t.Errorf("%q: demanded %+v", class, d)
		}
	}
}

// The token that a caller brought is sent to one upstream only.
func TestAnOwnTokenDoesNotMoveOn(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.Quota), good(say("never"))))
	r.leads("a", "b")
	r.bringsOwn()
	if got := r.chat(t.Context(), t, whole); got.err == nil || len(r.calls) != 1 {
		t.Errorf("got %+v after %d calls", got, len(r.calls))
	}
}

// The first event tells whose answer it is, in whatever way the upstream begins.
func TestAnAnswerTellsItsOrigin(t *testing.T) {
	t.Parallel()
	told := chat.Event{Begin: &chat.Beginning{Input: &chat.Usage{Prompt: 3}}}
	for name, answer := range map[string]script{"told": good(told, say("ok")), "untold": good(say("ok"))} {
		r := newRig(play(bad(upstream.TooLarge), answer))
		r.leads("a", "b")
		r.pool.tokens = []string{"t"}
		got := r.chat(t.Context(), t, whole)
		if got.err != nil || got.events[0].Begin == nil {
			t.Fatalf("%s: %+v", name, got)
		}
		if begin := got.events[0].Begin; begin.Origin != (chat.Origin{Upstream: "b", TokenID: "t"}) || (begin.Input != nil) != (name == "told") {
			t.Errorf("%s: %+v", name, begin)
		}
		for _, event := range got.events[1:] {
			if event.Begin != nil {
				t.Errorf("%s: told twice", name)
			}
		}
	}
	own := newRig(play(good(say("ok"))))
	own.bringsOwn()
	if got := own.chat(t.Context(), t, whole); got.events[0].Begin.Origin != (chat.Origin{Upstream: "up"}) {
		t.Errorf("of the caller's own token: %+v", got.events[0].Begin)
	}
}

// The fallbacks of the last target come after all targets.
func TestFallbacksFollowTheRoute(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.TooLarge), bad(upstream.TooLarge), good(say("ok"))))
	r.leads("a", "b")
	resolve := r.relay.Catalog
	falls := func(model string) *catalog.Discipline {
		return &catalog.Discipline{RetryPercent: 100, FallbackLists: map[string][]string{"*": {model}}}
	}
	r.relay.Catalog = plansFunc(func(wish catalog.Wish) (catalog.Plan, error) {
		plan, err := resolve.Resolve(wish)
		second, _ := plan.Next()
		plan.First.Discipline, second.Discipline = falls("of a"), falls("of b")
		if wish.Model != "m" {
			return catalog.InOrder(plan.First), err
		}
		return catalog.InOrder(plan.First, second), err
	})
	got := r.chat(t.Context(), t, whole)
	if got.err != nil || r.calls[2].Model != "inner of b" || got.events[0].Begin.FallbackModel != "of b" || r.count.fallbacks != 1 {
		t.Errorf("got %+v after %d calls", got, len(r.calls))
	}
}

// nobodyAsked is a Leases and a Recorder of requests that must not reach the tokenstore.
type nobodyAsked struct{ t *testing.T }

func (n nobodyAsked) Acquire(context.Context, lease.Demand) (*lease.Lease, error) {
	n.t.Error("a token was asked for")
	return nil, chat.Errorf(chat.NoTokens, "none")
}

func (n nobodyAsked) SetAside(context.Context, *lease.Charge) bool { return false }

func (n nobodyAsked) Pay(*lease.Charge, lease.Amounts) {}

func (n nobodyAsked) Settle(*lease.Lease, lease.Outcome)   { n.t.Error("a lease was settled") }
func (n nobodyAsked) Record(context.Context, reqlog.Entry) { n.t.Error("an entry was recorded") }

// Of a name that nobody serves the tokenstore learns nothing, in whatever way it is asked for.
func TestANameThatNobodyServesLeavesNoTrace(t *testing.T) {
	t.Parallel()
	c := catalog.New(nil, nil, slog.New(slog.DiscardHandler))
	c.Update(nil, []catalog.Route{{Name: "lost", Match: "lost", Targets: []catalog.RouteTarget{{Upstream: "gone", Weight: 1}}}})
	for _, model := range []string{"nobody", "lost", "gone/m", "claude-9"} {
		r := newRig(nil)
		r.relay = New(Params{
			Catalog: c, Leases: nobodyAsked{t}, Prices: dear{}, Recorder: nobodyAsked{t}, Counter: r.count, Policy: func() Policy { return r.policy },
			StatusOf: r.relay.StatusOf, Replicas: r.relay.Replicas, Logger: r.relay.Logger,
		})
		request := newRequest()
		request.Model = model
		if got := r.chatWith(t.Context(), t, request, whole); got.err == nil || got.err.Kind != chat.ModelNotSupported || len(r.count.used) != 0 {
			t.Errorf("%s: %+v", model, got.err)
		}
		if _, err := r.relay.CountTokens(t.Context(), request, caller.Caller{}, lease.Choice{}); chat.AsError(err) == nil || chat.AsError(err).Kind != chat.ModelNotSupported {
			t.Errorf("%s: %v", model, err)
		}
		for _, err := range r.relay.Carry(t.Context(), &carried.Request{Model: model, Route: &carried.Route{Name: "embeddings"}}, caller.Caller{}, lease.Choice{}) {
			if chat.AsError(err) == nil || chat.AsError(err).Kind != chat.ModelNotSupported {
				t.Errorf("%s: %v", model, err)
			}
		}
	}
}

// Of a target whose upstream does not count nobody asks, along a route either.
func TestCountingAsksOnlyWhoCounts(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.refusedAt(map[string]*chat.Error{"a": {Kind: chat.NoTokens}})
	driver := &counterDriver{dialect: "spoken"}
	r.relay.Catalog = plansFunc(func(catalog.Wish) (catalog.Plan, error) {
		mute := driverFunc(nil)
		return catalog.InOrder(
			catalog.Target{Upstream: "a", Model: "m", Driver: driver, Discipline: discipline},
			catalog.Target{Upstream: "b", Model: "m", Driver: mute, Discipline: discipline}), nil
	})
	request := newRequest()
	request.Source = chat.Source{Dialect: "spoken", JSON: []byte("{}")}
	tokens, err := r.relay.CountTokens(t.Context(), request, caller.Caller{}, lease.Choice{})
	if asked := r.asked(); err != nil || tokens != tokencount.Prompt(request) || !slices.Equal(asked, []string{"a"}) {
		t.Errorf("%d tokens, %v, asked %v", tokens, err, asked)
	}
}

// A question for a request's tokens goes where the request would, and takes nobody's turn.
func TestCountingTakesNoTurn(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.policy.Affinity = Conversations
	wishes := r.leads("a", "b")
	request := newRequest()
	request.Session = "s"
	if _, err := r.relay.CountTokens(t.Context(), request, caller.Caller{}, lease.Choice{Own: &upstream.Credential{Secret: secret.New("own")}}); err != nil {
		t.Fatal(err)
	}
	if got := (*wishes)[0]; !got.Look || got.Key != keyOf(func(m *mark) { m.add(maxMarked, "s") }) {
		t.Errorf("wished for %+v", got)
	}
}
