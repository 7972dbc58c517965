package relay

import (
	"context"
	"iter"
	"slices"
	"testing"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/upstream"
)

// nativeDriver speaks a dialect.
type nativeDriver struct {
	driverFunc
	dialect string
}

func (d nativeDriver) Speaks(name string) bool { return name == d.dialect }

// nativeWords can be asked in other dialects for words only.
type nativeWords struct{ nativeDriver }

func (nativeWords) Carries(chat.Need) bool { return false }

// namedBy are the drivers of targets by model.
type namedBy map[string]upstream.Driver

func (n namedBy) Resolve(wish catalog.Wish) (catalog.Plan, error) {
	falls := &catalog.Discipline{RetryPercent: 20, FallbackLists: map[string][]string{"m": {"other"}}}
	return catalog.InOrder(catalog.Target{Upstream: "up of " + wish.Model, Driver: n[wish.Model], Model: wish.Model, Discipline: falls}), nil
}

func (n namedBy) Current(target catalog.Target) catalog.Target { return target }

func spokenRequest() *chat.Request {
	request := newRequest()
	request.Source = chat.Source{Dialect: "spoken", JSON: []byte("{}")}
	return request
}

// Only a client that speaks the upstream's dialect is shown its headers. What the upstream
// has counted is for all.
func TestTheUpstreamsHeadersAreForItsDialect(t *testing.T) {
	t.Parallel()
	first := chat.Event{Begin: &chat.Beginning{
		Header: map[string][]string{"Request-Id": {"req_1"}}, Input: &chat.Usage{Prompt: 5},
	}}
	for dialect, shown := range map[string]bool{"spoken": true, "other": false} {
		r := newRig(nil)
		r.relay.Catalog = namedBy{"m": nativeDriver{play(good(first, say("Hello"))), dialect}}
		got := r.chatWith(t.Context(), t, spokenRequest(), whole)
		if got.err != nil || got.events[0].Begin == nil {
			t.Fatalf("%+v", got)
		}
		begin := got.events[0].Begin
		if (begin.Header != nil) != shown || begin.Input == nil {
			t.Errorf("of an upstream that speaks %s: %+v", dialect, begin)
		}
	}
}

// A fallback that can't take the request as it is written is none: the client hears what
// became of the model that it named.
func TestAFallbackThatCantTakeTheHistoryIsNone(t *testing.T) {
	t.Parallel()
	for dialect, want := range map[string]chat.Kind{"other": chat.RateLimited, "spoken": ""} {
		r := newRig(nil)
		r.relay.Catalog = namedBy{
			"m":     nativeDriver{play(bad(upstream.Quota), bad(upstream.Quota), bad(upstream.Quota)), "spoken"},
			"other": nativeDriver{play(good(say("Hello"))), dialect},
		}
		request := spokenRequest()
		request.HistoryFault = chat.Errorf(chat.InvalidRequest, "messages.1: unexpected")
		if got := r.chatWith(t.Context(), t, request, whole); kindOf(got.err) != want {
			t.Errorf("%s: %+v", dialect, got)
		}
		if fell := r.count.fallbacks == 1; fell != (want == "") {
			t.Errorf("%s: %d fallbacks", dialect, r.count.fallbacks)
		}
	}
}

// The log has the status that clients of the dialect see, whatever they have asked for.
func TestTheStatusIsOfTheClientsDialect(t *testing.T) {
	t.Parallel()
	r := newRig(func(context.Context, *upstream.Call) iter.Seq2[chat.Event, error] { panic("not asked") })
	var asked []string
	r.relay.StatusOf = func(dialect string, _ *chat.Error) int {
		asked = append(asked, dialect)
		return 555
	}
	r.pool.tokens = nil
	r.chatWith(t.Context(), t, spokenRequest(), whole)
	for range r.relay.Carry(t.Context(), carriedRequest(t, "embeddings", `{"model":"m"}`), caller.Caller{}, lease.Choice{}) {
	}
	r.relay.Catalog = servedBy{&counterDriver{dialect: "spoken"}}
	if _, err := r.relay.CountTokens(t.Context(), spokenRequest(), caller.Caller{}, lease.Choice{}); err != nil {
		t.Error(err)
	}
	if !slices.Equal(asked, []string{"spoken", "spoken", "spoken"}) {
		t.Errorf("%q", asked)
	}
	var logged []string
	for _, entry := range r.log.entries {
		logged = append(logged, entry.Dialect)
	}
	if !slices.Equal(logged, []string{"spoken", "spoken/embeddings", "spoken/count_tokens"}) {
		t.Errorf("%q", logged)
	}
}

// What the upstream has been told itself is not kept once more here: its answer goes on as it
// came, whatever this gateway would count.
func TestNoBrakeOnAnUpstreamThatHasBeenTold(t *testing.T) {
	t.Parallel()
	for dialect, want := range map[string]string{"spoken": "one two STOP three", "other": "one two "} {
		r := newRig(nil)
		r.relay.Catalog = namedBy{"m": nativeWords{nativeDriver{play(good(say("one two ST"), say("OP three"))), dialect}}}
		request := spokenRequest()
		request.Stop, request.MaxTokens = []string{"STOP"}, 100
		if got := r.chatWith(t.Context(), t, request, whole); got.err != nil || got.text() != want {
			t.Errorf("%s: %q, %v", dialect, got.text(), got.err)
		}
	}
}
