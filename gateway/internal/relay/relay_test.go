package relay

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/tokencount"
	"carousel.internal/gateway/internal/upstream"
)

// ended checks how the leases ended and that there is one entry, and answers it.
func (r *rig) ended(t *testing.T, want ...upstream.Class) reqlog.Entry {
	t.Helper()
	classes, err := r.pool.classes()
	if err != nil {
		t.Error(err)
	}
	if !slices.Equal(classes, want) || !slices.Equal(r.count.attempts, want) {
		t.Errorf("leases ended as %q, counted %q, want %q", classes, r.count.attempts, want)
	}
	if len(r.log.entries) != 1 || len(r.count.used) != 1 {
		t.Fatalf("%d log entries, usage counted %d times", len(r.log.entries), len(r.count.used))
	}
	return r.log.entries[0]
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(play(good(begin, say("Hel"), say("lo"))))
	r.policy.Options = upstream.Options{ClientVersion: "1.2.3"}
	got := r.chat(t.Context(), t, whole)
	if got.err != nil || got.text() != "Hello" || len(got.events) != 5 {
		t.Fatalf("got %+v", got)
	}
	call := r.calls[0]
	if call.Model != "inner m" || call.Request.ID != "request" || call.Credential.Secret.Reveal() != "secret of a" || call.Options.ClientVersion != "1.2.3" {
		t.Errorf("call %+v", call)
	}
	if d := r.pool.demands[0]; d.Upstream != "up" || d.Model != "inner m" || d.MaxWait != time.Second || len(d.Exclude) != 0 {
		t.Errorf("demand %+v", d)
	}
	if o := r.pool.settled[r.pool.granted[0]][0]; o != (lease.Outcome{Model: "inner m", RequestID: "request"}) {
		t.Errorf("outcome %+v", o)
	}
	if !slices.Equal(r.count.ended, []string{"up/inner m"}) {
		t.Errorf("counted for %q", r.count.ended)
	}
	e := r.ended(t, "")
	if e.ID != "request" || e.Model != "m" || e.Upstream != "up" || e.TokenID != "a" || e.TokenAlias != "alias of a" || e.TokenFingerprint != "f-a" || e.MaskedSecret != "masked a" ||
		!e.Stream || e.HTTPStatus != 200 || e.Err != nil || e.End != reqlog.Done || e.Attempts != 1 || e.Prompt != "" ||
		e.FirstByte <= 0 || e.Total < e.FirstByte || e.StartedAt.IsZero() || e.Usage != (*usage.Usage) {
		t.Errorf("entry %+v", e)
	}
}

func TestUnknownModelIsRefusedWithoutATrace(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	var got error
	for _, err := range r.relay.Chat(t.Context(), &chat.Request{Model: "unknown"}, caller.Caller{}, lease.Choice{}) {
		got = err
	}
	if err := chat.AsError(got); err == nil || err.Kind != chat.ModelNotSupported || len(r.pool.demands) != 0 {
		t.Errorf("got %v", got)
	}
	if len(r.log.entries) != 0 || len(r.count.used) != 0 {
		t.Errorf("entries %+v", r.log.entries)
	}
}

func TestAnotherTokenIsTriedBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	for _, class := range upstream.Classes() {
		if class == upstream.SealRefused { // the same token is
			continue
		}
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			r := newRig(play(bad(class, begin), good(say("Hello"))))
			got := r.chat(t.Context(), t, whole)
			if !class.Retryable() {
				if got.err == nil || got.err.Kind != class.Kind() || len(got.events) != 0 {
					t.Errorf("got %+v", got)
				}
				r.ended(t, class)
				return
			}
			if got.err != nil || got.text() != "Hello" {
				t.Errorf("got %+v", got)
			}
			if tried := r.pool.demands[1].Exclude; !slices.Equal(tried, []string{"a"}) || r.count.retries != 1 {
				t.Errorf("tried %v, %d retries", tried, r.count.retries)
			}
			if e := r.ended(t, class, ""); e.Attempts != 2 || e.TokenID != "b" || e.End != reqlog.Done {
				t.Errorf("entry %+v", e)
			}
			failed := r.pool.settled[r.pool.granted[0]][0]
			if failed.Detail != string(class)+": it said so" || failed.RequestID != "request" {
				t.Errorf("reported %+v", failed)
			}
		})
	}
}

func TestNothingIsRetriedAfterTheFirstByte(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.Transport, begin, say("Hel"))))
	got := r.chat(t.Context(), t, whole)
	if got.err == nil || got.err.Kind != chat.UpstreamUnavailable || got.text() != "Hel" || strings.Contains(got.err.Message, "tried") {
		t.Errorf("got %+v", got)
	}
	if e := r.ended(t, upstream.Transport); e.End != reqlog.UpstreamError || e.HTTPStatus != 200 || e.Usage.Source != chat.UsagePartial || e.Usage.Completion == 0 {
		t.Errorf("entry %+v", e)
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	for limit, want := range map[int]int{0: 1, 1: 1, 2: 2, 3: 3, 9: 3} { // there are three tokens
		slow := script{err: &upstream.Failure{Class: upstream.RateLimit, Message: "slow down"}}
		r := newRig(play(slow, slow, slow, slow))
		r.policy.MaxAttempts = limit
		got := r.chat(t.Context(), t, whole)
		if got.err == nil || got.err.Kind != chat.RateLimited || len(r.calls) != want {
			t.Errorf("limit %d: %d attempts, %v", limit, len(r.calls), got.err)
		}
		// The tokens ran out, and the store knows when to come again.
		if ranOut := limit > 3; ranOut != (got.err.RetryAfter == 7*time.Second) {
			t.Errorf("limit %d: retry after %v", limit, got.err.RetryAfter)
		}
		if e := r.log.entries[0]; e.Attempts != want || e.End != reqlog.UpstreamError || e.HTTPStatus != 555 || e.Usage.Source != chat.UsageUnknown {
			t.Errorf("limit %d: entry %+v", limit, e)
		}
	}
}

func TestRefusalOfTheStoreReachesTheClient(t *testing.T) {
	t.Parallel()
	r := newRig(nil)
	r.pool.tokens = nil
	got := r.chat(t.Context(), t, whole)
	if got.err == nil || got.err.Kind != chat.NoTokenAvailable || got.err.RetryAfter != 7*time.Second {
		t.Errorf("got %+v", got.err)
	}
	if e := r.ended(t); e.End != reqlog.Refused || e.Upstream != "up" {
		t.Errorf("entry %+v", e)
	}
}

func TestErrorsTellWhatTheUpstreamSaid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		failure error
		kind    chat.Kind
		message string
		end     reqlog.End
	}{
		"caller":   {&upstream.Failure{Class: upstream.CallerFault, Message: "messages[0] is odd"}, chat.UpstreamRejected, "messages[0] is odd", reqlog.UpstreamError},
		"large":    {&upstream.Failure{Class: upstream.TooLarge, Message: "too long"}, chat.ContextTooLong, "too long", reqlog.UpstreamError},
		"silent":   {&upstream.Failure{Class: upstream.CallerFault}, chat.UpstreamRejected, `upstream "up": it gave no reason`, reqlog.UpstreamError},
		"auth":     {&upstream.Failure{Class: upstream.Auth, Message: "who?"}, chat.UpstreamAuth, `upstream "up": who?`, reqlog.UpstreamError},
		"outdated": {&upstream.Failure{Class: upstream.OutdatedClient, Message: "update"}, chat.OutdatedClient, "its operator can change it in the settings: update", reqlog.UpstreamError},
		"cut":      {&upstream.Failure{Class: upstream.Truncated, Message: "no trailer"}, chat.UpstreamProtocol, `the answer of upstream "up" was incomplete: no trailer`, reqlog.Truncated},
		"foreign":  {errors.New("secret detail"), chat.UpstreamUnavailable, `upstream "up": the upstream failed`, reqlog.UpstreamError},
		"wrapped": {
			errors.Join(errors.New("x"), &upstream.Failure{Class: upstream.Quota, Message: "used up", RetryAfter: time.Hour}),
			chat.RateLimited, `upstream "up": used up`, reqlog.UpstreamError,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(play(script{err: test.failure}))
			r.policy.MaxAttempts = 1
			got := r.chat(t.Context(), t, whole)
			if got.err == nil || got.err.Kind != test.kind || !strings.HasSuffix(got.err.Message, test.message) || got.err.Param != "" {
				t.Errorf("got %+v", got.err)
			}
			if !errors.Is(got.err, test.failure) && name != "foreign" && name != "wrapped" {
				t.Error("the cause is lost")
			}
			if name == "wrapped" && got.err.RetryAfter != time.Hour {
				t.Errorf("retry after %v", got.err.RetryAfter)
			}
			if e := r.log.entries[0]; e.End != test.end || e.Err != got.err {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

func TestErrorsKeepTheUpstreamsOwnNames(t *testing.T) {
	t.Parallel()
	own := chat.UpstreamError{Status: 400, Code: "bad_stop", Type: "invalid_request_error", Param: "stop"}
	for class, param := range map[upstream.Class]string{upstream.CallerFault: "stop", upstream.TooLarge: "stop", upstream.RateLimit: "", upstream.Auth: ""} {
		r := newRig(play(script{err: &upstream.Failure{Class: class, Message: "no", Status: 400, Code: "bad_stop", Type: "invalid_request_error", Param: "stop"}}))
		r.policy.MaxAttempts = 1
		got := r.chat(t.Context(), t, whole)
		if got.err == nil || got.err.Param != param || got.err.Upstream == nil || !reflect.DeepEqual(*got.err.Upstream, own) {
			t.Errorf("%s: got %+v", class, got.err)
		}
	}
}

func TestAFaultyHistoryIsForUpstreamsThatGetItAsItCame(t *testing.T) {
	t.Parallel()
	fault := &chat.Error{Kind: chat.InvalidRequest, Message: "no content", Param: "messages[0].content"}
	for dialect, want := range map[string]*chat.Error{"": fault, "other": fault, "spoken": nil} {
		r := newRig(play(good(say("Hello"))))
		if dialect != "" {
			r.relay.Catalog = speaking{r.relay.Catalog, dialect}
		}
		request := newRequest()
		request.HistoryFault, request.Source = fault, chat.Source{Dialect: "spoken", JSON: []byte(`{}`)}
		got := r.chatWith(t.Context(), t, request, whole)
		if got.err != want || want != nil && len(r.pool.demands) != 0 {
			t.Errorf("dialect %q: %v, %d demands", dialect, got.err, len(r.pool.demands))
		}
	}
}

func TestTheLogTellsWhatWasTranslated(t *testing.T) {
	t.Parallel()
	for spoken, want := range map[string]bool{"anthropic": false, "openai": true} {
		r := newRig(play(good(say("Hello"))))
		r.relay.Catalog = speaking{r.relay.Catalog, spoken}
		request := newRequest()
		request.Source = chat.Source{Dialect: "anthropic", JSON: []byte(`{}`)}
		r.chatWith(t.Context(), t, request, whole)
		if e := r.ended(t, ""); e.Translated != want {
			t.Errorf("an upstream that speaks %s: %+v", spoken, e)
		}
	}
}

// speaking is a catalog whose drivers send on what is in their dialect.
type speaking struct {
	Catalog
	dialect string
}

type native struct {
	upstream.Driver
	dialect string
}

func (n native) Speaks(name string) bool { return name == n.dialect }

func (s speaking) Resolve(wish catalog.Wish) (catalog.Plan, error) {
	plan, err := s.Catalog.Resolve(wish)
	plan.First.Driver = native{plan.First.Driver, s.dialect}
	return plan, err
}

func TestTriedTokensAreCounted(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.Auth), bad(upstream.Auth), bad(upstream.Auth)))
	if got := r.chat(t.Context(), t, whole); got.err == nil || got.err.Message != `upstream "up": it said so (3 tokens tried)` {
		t.Errorf("got %v", got.err)
	}
}

func TestEventsWithoutContentAreHeldBack(t *testing.T) {
	t.Parallel()
	raw := func(text string) chat.Event { return chat.Event{Raw: chat.Raw{Dialect: "openai", JSON: []byte(text)}} }
	r := newRig(play(
		bad(upstream.Broken, raw(`{"of":"the first"}`)),
		good(raw(`{"n":1}`), raw(`{"n":22}`), raw(`{"n":333}`), chat.Event{Text: "Hello", Raw: chat.Raw{Dialect: "openai", JSON: []byte(`{"n":4444}`)}}),
	))
	got := r.chat(t.Context(), t, whole)
	var said []string
	var more []bool
	for _, event := range got.events[:4] {
		said, more = append(said, string(event.Raw.JSON)), append(more, event.More)
	}
	if diff := cmp.Diff([]string{`{"n":1}`, `{"n":22}`, `{"n":333}`, `{"n":4444}`}, said); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]bool{true, true, true, false}, more); diff != "" {
		t.Error("an event that is released with others has another one behind it:", diff)
	}
	r.ended(t, upstream.Broken, "")
}

func TestHoldingBackIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.Broken, slices.Repeat([]chat.Event{begin}, maxHeldBack)...), bad(upstream.Broken, slices.Repeat([]chat.Event{begin}, maxHeldBack+1)...)))
	got := r.chat(t.Context(), t, whole)
	if got.err == nil || len(got.events) != maxHeldBack+1 {
		t.Errorf("%d events, %v", len(got.events), got.err)
	}
	r.ended(t, upstream.Broken, upstream.Broken)
}

func TestWhatHasContentIsNotHeldBack(t *testing.T) {
	t.Parallel()
	for name, event := range map[string]chat.Event{
		"text":      say("x"),
		"reasoning": {Kind: chat.ReasoningBlock, Text: "x"},
		"tool call": {Kind: chat.CallBlock, Open: &chat.Block{Name: "f"}},
		"finish":    stop,
		"usage":     usage,
		"whole":     {Raw: chat.Raw{Whole: true}},
	} {
		r := newRig(play(bad(upstream.Broken, event)))
		if got := r.chat(t.Context(), t, whole); got.err == nil || len(got.events) != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	r := newRig(play(bad(upstream.Broken, begin)))
	r.policy.HoldBack = false
	if got := r.chat(t.Context(), t, whole); got.err == nil || len(got.events) != 1 || len(r.calls) != 1 {
		t.Errorf("switched off: %+v", got)
	}
}

func TestAnswerWithoutAnEndIsTruncated(t *testing.T) {
	t.Parallel()
	r := newRig(play(script{events: []chat.Event{begin}}, script{events: []chat.Event{begin, say("Hel")}}))
	got := r.chat(t.Context(), t, whole)
	if got.err == nil || got.err.Kind != chat.UpstreamProtocol || got.text() != "Hel" {
		t.Errorf("got %+v", got)
	}
	if e := r.ended(t, upstream.Truncated, upstream.Truncated); e.End != reqlog.Truncated {
		t.Errorf("entry %+v", e)
	}
}

func TestUsageIsEstimatedWhenTheUpstreamTellsNone(t *testing.T) {
	t.Parallel()
	r := newRig(play(script{events: []chat.Event{
		say("one two three"), {Kind: chat.ReasoningBlock, Text: "four"}, {Kind: chat.CallBlock, Open: &chat.Block{Name: "five"}, Text: `{"six":7}`}, stop,
	}}))
	got := r.chat(t.Context(), t, whole)
	last := got.events[len(got.events)-1].Usage
	if got.err != nil || last == nil || last.Source != chat.UsageEstimated || last.Prompt < 4 || last.Completion < 6 || last.Completion > 20 {
		t.Fatalf("got %+v, usage %+v", got, last)
	}
	if e := r.ended(t, ""); e.Usage != *last || r.count.used[0] != *last {
		t.Errorf("entry %+v", e)
	}
}

// What an upstream has told of the input holds, however the answer ends.
func TestUsageOfAnAnswerThatIsCutShort(t *testing.T) {
	t.Parallel()
	told := chat.Event{Begin: &chat.Beginning{Input: &chat.Usage{Prompt: 1000, CacheRead: 900, CacheWrite: 60, CacheWriteHour: 20, Completion: 1}}}
	counted := chat.Usage{Prompt: tokencount.Prompt(newRequest()), Completion: 3, Source: chat.UsagePartial}
	cut := func(begin chat.Event) script { return script{events: []chat.Event{begin, say("one two three")}} }
	for name, test := range map[string]struct {
		scripts []script
		want    chat.Usage
	}{
		"told":                {[]script{cut(told)}, chat.Usage{Prompt: 1000, CacheRead: 900, CacheWrite: 60, CacheWriteHour: 20, Completion: 3, Source: chat.UsagePartial}},
		"not told":            {[]script{cut(begin)}, counted},
		"told to another try": {[]script{bad(upstream.Broken, told), cut(begin)}, counted},
	} {
		r := newRig(play(test.scripts...))
		r.chat(t.Context(), t, whole)
		if got := r.log.entries[0].Usage; got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// Caches and thinking go into the log and the counters as the upstream has told them;
// what can't be is set right.
func TestUsageIsLoggedWithItsParts(t *testing.T) {
	t.Parallel()
	sound := chat.Usage{Prompt: 1000, CacheRead: 900, CacheWrite: 60, CacheWriteHour: 20, Completion: 50, Reasoning: 40, Source: chat.UsageReported}
	for name, test := range map[string]struct{ told, want chat.Usage }{
		"it adds up": {sound, sound},
		"more from the cache than there was": {
			chat.Usage{Prompt: 10, CacheRead: 90, Completion: 5, Source: chat.UsageReported},
			chat.Usage{Prompt: 10, CacheRead: 10, Completion: 5, Source: chat.UsageReported},
		},
	} {
		r := newRig(play(script{events: []chat.Event{say("Hello"), stop, {Usage: &test.told}}}))
		request := newRequest()
		request.Source = chat.Source{Dialect: "anthropic", JSON: []byte(`{}`)}
		r.chatWith(t.Context(), t, request, whole)
		if e := r.ended(t, ""); e.Usage != test.want || r.count.used[0] != test.want || e.Dialect != "anthropic" {
			t.Errorf("%s: %q, %+v", name, e.Dialect, e.Usage)
		}
	}
}

func TestLongAnswersAreCountedByTheirBeginning(t *testing.T) {
	t.Parallel()
	piece := strings.Repeat("word ", 1000)
	var short, long tally
	for range 100 {
		short.add(&chat.Event{Text: piece})
	}
	for range 1000 {
		long.add(&chat.Event{Text: piece})
	}
	if long.text.Len() > maxCounted {
		t.Errorf("keeps %d bytes", long.text.Len())
	}
	request := &chat.Request{}
	few, many := short.missing(request).Completion, long.missing(request).Completion
	if many < 9*few || many > 11*few {
		t.Errorf("ten times %d tokens are %d", few, many)
	}
}

func TestPromptIsKeptUnlessSwitchedOff(t *testing.T) {
	t.Parallel()
	r := newRig(play(good(say("x"))))
	r.policy.LogPrompts = true
	r.chat(t.Context(), t, whole)
	if got := r.log.entries[0].Prompt; got != "<|BEGIN_USER|>\nhello there\n<|END_USER|>\n" {
		t.Errorf("prompt %q", got)
	}
	if r.log.entries[0].PromptCut {
		t.Error("the whole prompt is called cut")
	}
	off := newRig(play(good(say("x"))))
	off.chat(t.Context(), t, whole)
	if got := off.log.entries[0].Prompt; got != "" {
		t.Errorf("unasked: %q", got)
	}
}

func TestClientThatHangsUpIsNobodysFault(t *testing.T) {
	t.Parallel()
	for until := range 5 { // the fifth is the usage
		r := newRig(play(script{events: []chat.Event{begin, say("Hel"), say("lo"), stop}}))
		got := r.chat(t.Context(), t, until)
		if len(got.events) != until+1 || got.err != nil {
			t.Errorf("at %d: %+v", until, got)
		}
		if e := r.ended(t, upstream.ClientGone); e.End != reqlog.ClientGone || e.Err == nil || e.Err.Kind != chat.Canceled {
			t.Errorf("at %d: entry %+v", until, e)
		}
	}
}

// waiting is a driver that says something and then waits for the context's end,
// which it reports in its way.
func waiting(class upstream.Class, events ...chat.Event) driverFunc {
	return func(ctx context.Context, _ *upstream.Call) iter.Seq2[chat.Event, error] {
		return func(yield func(chat.Event, error) bool) {
			for _, event := range events {
				if !yield(event, nil) {
					return
				}
			}
			<-ctx.Done()
			yield(chat.Event{}, &upstream.Failure{Class: class, Message: "the connection ended", Err: ctx.Err()})
		}
	}
}

func TestEndOfTheContextIsNobodysFault(t *testing.T) {
	for name, test := range map[string]struct {
		total time.Duration
		cause error
		kind  chat.Kind
		end   reqlog.End
		ended upstream.Class
	}{
		"client hangs up": {0, nil, chat.Canceled, reqlog.ClientGone, upstream.ClientGone},
		"time is over":    {time.Minute, nil, chat.Timeout, reqlog.TimedOut, upstream.Interrupted},
		"gateway stops":   {0, &chat.Error{Kind: chat.ShuttingDown, Message: "it stops"}, chat.ShuttingDown, reqlog.ShutDown, upstream.Interrupted},
	} {
		for _, class := range []upstream.Class{upstream.Broken, upstream.Transport, upstream.Proxy, upstream.Truncated, upstream.ClientGone} {
			for said, events := range map[string][]chat.Event{"nothing said": nil, "something said": {say("Hel")}} {
				t.Run(name+", "+string(class)+", "+said, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						ctx, cancel := context.WithCancelCause(t.Context())
						defer cancel(nil)
						r := newRig(waiting(class, events...))
						r.policy.Total = test.total
						if test.total == 0 {
							time.AfterFunc(time.Minute, func() { cancel(test.cause) })
						}
						began := time.Now()
						got := r.chat(ctx, t, whole)
						if got.err == nil || got.err.Kind != test.kind || got.err.Message == "" || len(got.events) != len(events) {
							t.Errorf("got %+v", got)
						}
						if took := time.Since(began); took != time.Minute {
							t.Errorf("took %v", took)
						}
						e := r.ended(t, test.ended)
						if e.End != test.end || e.Total != time.Minute {
							t.Errorf("entry %+v", e)
						}
						if e.Usage.Source != chat.UsagePartial || e.Usage.Prompt == 0 { // the upstream was at work
							t.Errorf("usage %+v", e.Usage)
						}
					})
				})
			}
		}
	}
}

func TestWhatTheUpstreamSaidItselfStands(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := newRig(play(bad(upstream.Auth)))
	if got := r.chat(ctx, t, whole); got.err == nil || got.err.Kind != chat.UpstreamAuth || len(r.calls) != 1 {
		t.Errorf("got %+v", got)
	}
	r.ended(t, upstream.Auth)
}

func TestTimeCanEndWhileWaitingForAToken(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]bool{"the first": true, "another": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(play(bad(upstream.Auth)))
				r.policy.Total = time.Minute
				usual := *r.pool
				r.pool.acquire = func(ctx context.Context, _ lease.Demand) (*lease.Lease, error) {
					if !first && len(r.pool.granted) == 0 {
						held, err := usual.Acquire(ctx, lease.Demand{})
						r.pool.granted = usual.granted
						return held, err
					}
					<-ctx.Done()
					return nil, chat.AsError(context.Cause(ctx))
				}
				if got := r.chat(t.Context(), t, whole); got.err == nil || got.err.Kind != chat.Timeout {
					t.Errorf("got %+v", got)
				}
				if e := r.log.entries[0]; e.End != reqlog.TimedOut {
					t.Errorf("entry %+v", e)
				}
			})
		})
	}
}

func TestPanicLeavesNoLeaseBehind(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		driver driverFunc
		caller func(chat.Event)
	}{
		"of the driver": {func(context.Context, *upstream.Call) iter.Seq2[chat.Event, error] {
			return func(func(chat.Event, error) bool) { panic("bug") }
		}, func(chat.Event) {}},
		"of the driver in the middle": {func(context.Context, *upstream.Call) iter.Seq2[chat.Event, error] {
			return func(yield func(chat.Event, error) bool) { yield(say("x"), nil); panic("bug") }
		}, func(chat.Event) {}},
		"of the caller": {play(good(say("x"))), func(chat.Event) { panic("bug") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(test.driver)
			func() {
				defer func() {
					if recover() != "bug" {
						t.Error("the panic was swallowed")
					}
				}()
				for event := range r.relay.Chat(t.Context(), newRequest(), caller.Caller{}, lease.Choice{}) {
					test.caller(event)
				}
			}()
			if e := r.ended(t, upstream.Interrupted); e.Err == nil || e.Err.Kind != chat.Internal {
				t.Errorf("entry %+v", e)
			}
		})
	}
}

func TestEvidenceIsBounded(t *testing.T) {
	t.Parallel()
	got := evidence(&upstream.Failure{Class: upstream.Auth, Status: 401, Code: "bad_key", Message: strings.Repeat("é", 400)})
	if !strings.HasPrefix(got, "auth, HTTP 401, bad_key: é") || len(got) > 512 || strings.ContainsRune(got, '\uFFFD') {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

// Whoever waited for a token is not sent to an address that an admin has corrected
// meanwhile.
func TestUpstreamThatWasMendedWhileARequestWaited(t *testing.T) {
	r := newRig(play(bad(upstream.Transport), bad(upstream.Transport), bad(upstream.Transport)))
	r.relay.Catalog = mended{r.relay.Catalog.(catalogFunc), play(good(say("mended")))}
	if got := r.chat(t.Context(), t, whole); got.err != nil || got.text() != "mended" {
		t.Errorf("got %q, %v", got.text(), got.err)
	}
}
