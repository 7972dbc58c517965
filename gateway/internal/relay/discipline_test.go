package relay

import (
	"context"
	"iter"
	"slices"
	"testing"
	"time"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// disciplined gives the rig's upstream settings about failures.
func (r *rig) disciplined(d *catalog.Discipline) {
	resolve := r.relay.Catalog
	r.relay.Catalog = catalogFunc(func(wish catalog.Wish) (catalog.Target, error) {
		plan, err := resolve.Resolve(wish)
		target := plan.First
		target.Discipline = d
		if wish.Model == "elsewhere" {
			target.Upstream = "other"
		}
		return target, err
	})
}

func said(class upstream.Class, status int, message string) script {
	return script{nil, &upstream.Failure{Class: class, Status: status, Message: message}}
}

func TestAnAdminsRulesRankFirst(t *testing.T) {
	t.Parallel()
	rules, err := upstream.ParseRules(`[
		{"status":"429","text":"daily","class":"quota","scope":"model","cooldown":"2h"},
		{"status":"400","text":"try another","class":"upstream"}
	]`)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(play(said(upstream.RateLimit, 429, "The daily limit"), said(upstream.CallerFault, 400, "try another one"), good(say("Hello"))))
	r.disciplined(&catalog.Discipline{Rules: rules, RetryPercent: 20})
	if got := r.chat(t.Context(), t, whole); got.err != nil || got.text() != "Hello" {
		t.Fatalf("got %+v", got)
	}
	r.ended(t, upstream.Quota, upstream.Broken, "")
	if first := r.pool.settled[r.pool.granted[0]][0]; !first.ModelOnly || first.RetryAfter != 2*time.Hour {
		t.Errorf("settled %+v", first)
	}
}

func TestWithoutBudgetNothingIsRetried(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.Broken), good(say("Hello"))))
	r.disciplined(&catalog.Discipline{RetryPercent: 0})
	got := r.chat(t.Context(), t, whole)
	if got.err == nil || got.err.Kind != chat.UpstreamUnavailable || len(r.calls) != 1 {
		t.Errorf("got %+v after %d calls", got, len(r.calls))
	}
	if r.count.retries != 0 || r.count.denied != 1 {
		t.Errorf("%d retries counted, %d denied", r.count.retries, r.count.denied)
	}
	r.ended(t, upstream.Broken)
}

// An upstream that fails everything gets its requests, the reserve and a share more;
// not max_attempts times its requests.
func TestAnOutageDoesNotMultiplyLoad(t *testing.T) {
	t.Parallel()
	const requests = 2000
	r := newRig(func(context.Context, *upstream.Call) iter.Seq2[chat.Event, error] {
		return func(yield func(chat.Event, error) bool) {
			yield(chat.Event{}, &upstream.Failure{Class: upstream.Broken})
		}
	})
	r.relay.Replicas = func() int { return 4 }
	for range requests {
		r.chat(t.Context(), t, whole)
	}
	if most := requests + requests/5 + 2*reserve/4; len(r.calls) > most { // two windows, should the second change
		t.Errorf("%d attempts for %d requests, at most %d", len(r.calls), requests, most)
	}
}

func TestFallbacks(t *testing.T) {
	t.Parallel()
	lists := map[string][]string{"inner m": {"unknown", "small", "elsewhere"}}
	for name, test := range map[string]struct {
		scripts  []script
		tokens   []string
		choice   lease.Choice
		kind     chat.Kind
		text     string
		asked    []string // the models of the calls
		upstream string
		end      reqlog.End
	}{
		"none is needed": {
			scripts: []script{good(say("Hello"))}, tokens: []string{"a"},
			text: "Hello", asked: []string{"inner m"}, upstream: "up", end: reqlog.Done,
		},
		"after all tokens": {
			scripts: []script{bad(upstream.Broken), bad(upstream.Broken), good(say("small one"))}, tokens: []string{"a", "b"},
			text: "small one", asked: []string{"inner m", "inner m", "inner small"}, upstream: "up", end: reqlog.Done,
		},
		"what no other token helps, another model may": {
			scripts: []script{bad(upstream.TooLarge), good(say("small one"))}, tokens: []string{"a", "b"},
			text: "small one", asked: []string{"inner m", "inner small"}, upstream: "up", end: reqlog.Done,
		},
		"in another upstream": {
			scripts: []script{bad(upstream.TooLarge), bad(upstream.OutdatedClient), good(say("far"))}, tokens: []string{"a"},
			text: "far", asked: []string{"inner m", "inner small", "inner elsewhere"}, upstream: "other", end: reqlog.Done,
		},
		"all fail": {
			scripts: []script{bad(upstream.TooLarge), bad(upstream.TooLarge), bad(upstream.Quota)}, tokens: []string{"a"},
			kind: chat.RateLimited, asked: []string{"inner m", "inner small", "inner elsewhere"}, upstream: "other", end: reqlog.UpstreamError,
		},
		"the caller's fault is everybody's": {
			scripts: []script{bad(upstream.CallerFault)}, tokens: []string{"a"},
			kind: chat.UpstreamRejected, asked: []string{"inner m"}, upstream: "up", end: reqlog.UpstreamError,
		},
		"nothing after the first byte": {
			scripts: []script{bad(upstream.Broken, say("Hel"))}, tokens: []string{"a"},
			text: "Hel", kind: chat.UpstreamUnavailable, asked: []string{"inner m"}, upstream: "up", end: reqlog.UpstreamError,
		},
		"a chosen token is not left": {
			scripts: []script{bad(upstream.Quota)}, tokens: []string{"a"}, choice: lease.Choice{Alias: "work"},
			kind: chat.RateLimited, asked: []string{"inner m"}, upstream: "up", end: reqlog.UpstreamError,
		},
		"an empty pool": {
			kind: chat.NoTokenAvailable, upstream: "other", end: reqlog.Refused,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(play(test.scripts...))
			r.pool.tokens, r.choice = test.tokens, test.choice
			r.disciplined(&catalog.Discipline{RetryPercent: 20, FallbackLists: lists})
			got := r.chat(t.Context(), t, whole)
			if kind := kindOf(got.err); kind != test.kind || got.text() != test.text {
				t.Errorf("got %q, %v", got.text(), got.err)
			}
			var asked []string
			for _, call := range r.calls {
				asked = append(asked, call.Model)
			}
			e := r.log.entries[0]
			if !slices.Equal(asked, test.asked) || e.Upstream != test.upstream || e.End != test.end || e.Attempts != len(asked) {
				t.Errorf("asked %q, entry %+v", asked, e)
			}
			if test.kind == "" && told(got.events[0]) != e.FallbackModel {
				t.Errorf("the client is told %q, the log %q", told(got.events[0]), e.FallbackModel)
			}
			if fell := len(asked) > 0 && asked[len(asked)-1] != "inner m"; len(asked) > 0 && (e.FallbackModel != "") != fell {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

func kindOf(err *chat.Error) chat.Kind {
	if err == nil {
		return ""
	}
	return err.Kind
}

func TestNoFallbackOnTheSameUpstreamWithoutBudget(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.TooLarge), good(say("far"))))
	r.disciplined(&catalog.Discipline{RetryPercent: 0, FallbackLists: map[string][]string{"*": {"small", "elsewhere"}}})
	if got := r.chat(t.Context(), t, whole); got.err != nil || got.text() != "far" || r.calls[1].Model != "inner elsewhere" {
		t.Errorf("got %+v", got)
	}
	if r.count.denied != 1 || r.count.fallbacks != 1 {
		t.Errorf("%d denied, %d fallbacks", r.count.denied, r.count.fallbacks)
	}
}

// told is the fallback model that the client is told of.
func told(event chat.Event) string {
	if event.Begin == nil {
		return ""
	}
	return event.Begin.FallbackModel
}
