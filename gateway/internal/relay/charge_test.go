package relay

import (
	"context"
	"crypto/sha256"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/tokencount"
	"carousel.internal/gateway/internal/upstream"
)

// limited is a caller whose key has limits, and may be used for some models.
func limited(models ...string) caller.Caller {
	return caller.Caller{Kind: caller.Client, Key: &caller.Key{
		ID: "k", Models: models, Limits: []caller.Limit{{Unit: caller.Requests, Period: caller.Minute, Amount: 10}},
	}}
}

func TestOnlyKeysWithLimitsAreCharged(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]caller.Caller{
		"an admin":             {Kind: caller.Admin},
		"a key without limits": {Kind: caller.Client, Key: &caller.Key{ID: "k"}},
	} {
		r := newRig(play(good(say("Hello"))))
		r.caller = from
		if got := r.chat(t.Context(), t, whole); got.err != nil || r.pool.demands[0].Charge != nil || len(r.pool.paid) != 0 {
			t.Errorf("%s: %v, charged %v, paid %v", name, got.err, r.pool.demands[0].Charge, r.pool.paid)
		}
	}
}

func TestTheMostThatARequestMayUse(t *testing.T) {
	t.Parallel()
	prompt := uint64(tokencount.AtMost(newRequest()))
	choices := func(body string) func(*chat.Request) {
		return func(request *chat.Request) {
			request.MaxTokens, request.Source.JSON, request.Asks = 10, []byte(body), []chat.Ask{{Field: "n", Need: chat.Choices}}
		}
	}
	for name, c := range map[string]struct {
		model  string
		change func(*chat.Request)
		// leads are the upstreams that the model's name leads to.
		leads  []string
		answer uint64
		twice  bool // the dearer model may answer
	}{
		"of an answer that nothing bounds":         {model: "m", answer: usualAnswer},
		"of one that the request bounds":           {model: "m", change: func(r *chat.Request) { r.MaxTokens = 50_000 }, answer: 50_000},
		"of one that the model bounds":             {model: "small", answer: 100},
		"of one that the model bounds more":        {model: "small", change: func(r *chat.Request) { r.MaxTokens = 50_000 }, answer: 100},
		"of one that the model bounds less":        {model: "small", change: func(r *chat.Request) { r.MaxTokens = 50 }, answer: 50},
		"of several choices":                       {model: "m", change: choices(`{"n":3}`), answer: 30},
		"of more choices than anybody serves":      {model: "m", change: choices(`{"n":1e9}`), answer: 10},
		"of as many choices as are counted":        {model: "m", change: choices(`{"n":1000000}`), answer: 10 * maxChoices},
		"with a dearer target behind":              {model: "m", leads: []string{"a", "dearer"}, answer: usualAnswer, twice: true},
		"with a dearer model to which it may turn": {model: "falls back", answer: usualAnswer, twice: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(play(good(say("Hello"))))
			r.caller = limited()
			resolve := r.relay.Catalog
			r.relay.Catalog = plansFunc(func(wish catalog.Wish) (catalog.Plan, error) {
				plan, err := resolve.Resolve(wish)
				if wish.Model == "falls back" {
					plan.First.Discipline = &catalog.Discipline{FallbackLists: map[string][]string{"*": {"unknown", "dearer"}}}
				}
				if wish.Model == "dearer" && !wish.Look {
					t.Error("it took the turn of others")
				}
				if len(c.leads) == 0 {
					return plan, err
				}
				var targets []catalog.Target
				for _, to := range c.leads {
					target := plan.First
					target.Model = "inner " + to
					targets = append(targets, target)
				}
				return catalog.InOrder(targets[0], targets[1:]...), err
			})
			request := newRequest()
			request.Model = c.model
			if c.change != nil {
				c.change(request)
			}
			r.chatWith(t.Context(), t, request, whole)
			most := r.pool.demands[0].Charge.Most
			cost := money.Pico(prompt + 10*c.answer)
			if c.twice {
				cost *= 2
			}
			if want := (lease.Amounts{Requests: 1, Tokens: prompt + c.answer, Cost: cost, AtOnce: 1}); most != want {
				t.Errorf("%+v, want %+v", most, want)
			}
		})
	}
}

func TestARequestPaysOnceForWhatItHasUsed(t *testing.T) {
	t.Parallel()
	refused := &chat.Error{Kind: chat.NoTokenAvailable, Message: "none"}
	// The fakes' answers have 3 tokens in and 4 out.
	all, request := lease.Amounts{Requests: 1, Tokens: 7, Cost: 43}, lease.Amounts{Requests: 1}
	for name, c := range map[string]struct {
		scripts []script
		refusal *chat.Error
		want    lease.Amounts
		demands int
	}{
		"at once":                    {[]script{good(say("Hello"))}, nil, all, 1},
		"after another token failed": {[]script{bad(upstream.RateLimit), good(say("Hello"))}, nil, all, 2},
		"of an answer that broke":    {[]script{bad(upstream.Broken, say("Hello"), usage)}, nil, all, 1},
		"that was refused":           {[]script{bad(upstream.CallerFault)}, nil, request, 1},
		"that got no token":          {nil, refused, lease.Amounts{}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(play(c.scripts...))
			r.caller = limited()
			if c.refusal != nil {
				r.pool.tokens, r.pool.refusal = nil, c.refusal
			}
			r.chat(t.Context(), t, whole)
			if !slices.Equal(r.pool.paid, []lease.Amounts{c.want}) || len(r.pool.demands) != c.demands {
				t.Errorf("paid %+v after %d demands", r.pool.paid, len(r.pool.demands))
			}
			for _, each := range r.pool.demands {
				if each.Charge == nil || each.Charge != r.pool.demands[0].Charge {
					t.Error("a demand has not the request's charge")
				}
			}
		})
	}
}

// Whoever hangs up before the first word has had the upstream read the prompt all the same.
func TestARequestPaysForAPromptThatItsClientLeaves(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(t.Context())
	r := newRig(func(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
		hangUp()
		return waiting(upstream.Broken)(ctx, call)
	})
	r.caller = limited()
	r.chat(ctx, t, whole)
	prompt := tokencount.Prompt(newRequest())
	want := lease.Amounts{Requests: 1, Tokens: uint64(prompt), Cost: money.Pico(prompt)}
	if !slices.Equal(r.pool.paid, []lease.Amounts{want}) {
		t.Errorf("paid %+v, want %+v", r.pool.paid, want)
	}
	if entry := r.log.entries[0]; entry.Usage.Source != chat.UsagePartial || entry.Cost != want.Cost {
		t.Errorf("entry %+v", entry)
	}
	over, hangUp := context.WithCancel(t.Context())
	hangUp()
	unread := newRig(waiting(upstream.Broken))
	unread.caller = limited()
	unread.chat(over, t, whole)
	if want := []lease.Amounts{{Requests: 1}}; !slices.Equal(unread.pool.paid, want) {
		t.Errorf("of one that nobody was sent: paid %+v, want %+v", unread.pool.paid, want)
	}
}

func TestARequestPaysAlsoWhenADriverPanics(t *testing.T) {
	t.Parallel()
	r := newRig(func(context.Context, *upstream.Call) iter.Seq2[chat.Event, error] { panic("a bug") })
	r.caller = limited()
	func() {
		defer func() { _ = recover() }()
		r.chat(t.Context(), t, whole)
	}()
	if !slices.Equal(r.pool.paid, []lease.Amounts{{Requests: 1}}) {
		t.Errorf("paid %+v", r.pool.paid)
	}
}

// What the store says of the key is what the client is told; nothing else is tried.
func TestAKeyWithoutRoom(t *testing.T) {
	t.Parallel()
	for _, kind := range []chat.Kind{chat.KeyLimited, chat.KeySpent, chat.Unauthenticated} {
		r := newRig(play())
		r.caller = limited()
		r.leads("a", "b")
		r.pool.acquire = func(_ context.Context, demand lease.Demand) (*lease.Lease, error) {
			demand.Charge.Held = false
			return nil, &chat.Error{Kind: kind, Message: "because", RetryAfter: 7 * time.Second}
		}
		got := r.chat(t.Context(), t, whole)
		if got.err == nil || got.err.Kind != kind || got.err.RetryAfter != 7*time.Second || len(r.pool.demands) != 1 || len(r.pool.paid) != 0 {
			t.Errorf("%s: %v after %d demands, paid %v", kind, got.err, len(r.pool.demands), r.pool.paid)
		}
		if entry := r.log.entries[0]; entry.End != reqlog.Refused || entry.Cost != 0 {
			t.Errorf("%s: entry %+v", kind, entry)
		}
		driver := &counterDriver{dialect: "spoken"}
		r.relay.Catalog = servedBy{driver}
		request := newRequest()
		request.Source = chat.Source{Dialect: "spoken", JSON: []byte("{}")}
		if _, err := r.relay.CountTokens(t.Context(), request, r.caller, lease.Choice{}); err == nil || chat.AsError(err).Kind != kind {
			t.Errorf("%s: counting answers %v", kind, err)
		}
	}
}

// A key is told of a model that it may not use what it is told of one that nobody serves.
func TestAModelThatTheKeyMayNotUse(t *testing.T) {
	t.Parallel()
	r := newRig(play(good(say("Hello"))))
	r.caller = limited("n", "nano-*")
	want := catalog.Unknown("m").Error()
	if got := r.chat(t.Context(), t, whole); got.err == nil || got.err.Error() != want {
		t.Errorf("a chat: %v", got.err)
	}
	if _, err := r.relay.CountTokens(t.Context(), newRequest(), r.caller, lease.Choice{}); err == nil || err.Error() != want {
		t.Errorf("counting: %v", err)
	}
	for _, err := range r.relay.Carry(t.Context(), carriedRequest(t, "embeddings", `{"model":"m","input":"x"}`), r.caller, lease.Choice{}) {
		if err == nil || err.Error() != want {
			t.Errorf("embeddings: %v", err)
		}
	}
	if len(r.log.entries) != 0 || len(r.pool.demands) != 0 || len(r.pool.paid) != 0 {
		t.Errorf("it leaves a trace: %+v, %+v", r.log.entries, r.pool.demands)
	}
	request := newRequest()
	request.Model = "nano-7"
	if got := r.chatWith(t.Context(), t, request, whole); got.err != nil {
		t.Errorf("one that it may use: %v", got.err)
	}
}

func TestAnEntryTellsWhoAskedWhomAndWhatItCost(t *testing.T) {
	t.Parallel()
	r := newRig(play(bad(upstream.RateLimit), good(say("Hello"))))
	r.caller = limited()
	r.leads("a", "b")
	r.chat(t.Context(), t, whole)
	entry := r.log.entries[0]
	if entry.Caller.KeyID() != "k" || entry.ServedModel != "model of a" || entry.Cost != 43 || entry.Quality != reqlog.CostReported {
		t.Errorf("entry %+v", entry)
	}
	if r.count.cost != 43 {
		t.Errorf("%s counted", r.count.cost)
	}
}

func TestASideEndpointIsCharged(t *testing.T) {
	t.Parallel()
	body := `{"model":"m","input":"` + strings.Repeat("x", 300) + `"}`
	tokens := uint64(len(body) / bodyBytes)
	for endpoint, want := range map[string]lease.Amounts{
		"embeddings":  {Requests: 1, Tokens: tokens, Cost: money.Pico(tokens), AtOnce: 1},
		"completions": {Requests: 1, Tokens: tokens + usualAnswer, Cost: money.Pico(tokens + 10*usualAnswer), AtOnce: 1},
	} {
		r, _ := carryRig(func(context.Context, *upstream.RawCall) (*upstream.RawAnswer, error) {
			return &upstream.RawAnswer{
				Status: 200, Body: io.NopCloser(strings.NewReader("{}")),
				End: func() (*chat.Usage, *upstream.Failure) {
					return &chat.Usage{Prompt: 5, Source: chat.UsageReported}, nil
				},
			}, nil
		})
		for _, err := range r.relay.Carry(t.Context(), carriedRequest(t, endpoint, body), limited(), lease.Choice{}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := r.pool.demands[0].Charge.Most; got != want {
			t.Errorf("%s: charged %+v, want %+v", endpoint, got, want)
		}
		if !slices.Equal(r.pool.paid, []lease.Amounts{{Requests: 1, Tokens: 5, Cost: 5}}) {
			t.Errorf("%s: paid %+v", endpoint, r.pool.paid)
		}
	}
}

func TestASideEndpointIsChargedForAllThatItAsksFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		said   string
		answer uint64
	}{
		"nothing":                          {`"x":1`, usualAnswer},
		"a bound":                          {`"max_tokens":50000`, 50_000},
		"several answers":                  {`"n":3,"max_tokens":10`, 30},
		"the best of several":              {`"n":1,"best_of":4,"max_tokens":10`, 40},
		"more than can be counted":         {`"n":99999999999,"max_tokens":10`, 10 * maxChoices},
		"what its upstream will refuse":    {`"n":"many","max_tokens":-1`, usualAnswer},
		"a bound beyond what anybody says": {`"max_tokens":9223372036854775808`, 1<<31 - 1},
	} {
		r, _ := carryRig(func(context.Context, *upstream.RawCall) (*upstream.RawAnswer, error) {
			return nil, &upstream.Failure{Class: upstream.CallerFault}
		})
		body := `{"model":"m",` + c.said + `}`
		for range r.relay.Carry(t.Context(), carriedRequest(t, "completions", body), limited(), lease.Choice{}) {
		}
		if got, want := r.pool.demands[0].Charge.Most.Tokens, uint64(len(body)/bodyBytes)+c.answer; got != want {
			t.Errorf("%s: charged %d tokens, want %d", name, got, want)
		}
	}
}

// Nobody gets text for nothing by not asking for its counts, or by hanging up before they come.
func TestTextThatItsUpstreamDoesNotCountIsEstimated(t *testing.T) {
	t.Parallel()
	const (
		stream = "data: {\"choices\":[{\"text\":\"one two\"}]}\n\ndata: {\"choices\":[{\"text\":\" three\"}]}\r\n\r\ndata: [DONE]\n\n"
		object = `{"choices":[{"text":"one two"},{"text":" three"}]}`
		asked  = "say one two three"
	)
	prompt, answer := tokencount.Text(asked), tokencount.Text("one two three")
	for name, c := range map[string]struct {
		endpoint, answer string
		reads            int // pieces, of which the first is the answer's head
		want             chat.Usage
	}{
		"a stream":                         {"completions", stream, whole, chat.Usage{Prompt: prompt, Completion: answer, Source: chat.UsageEstimated}},
		"an object":                        {"completions", object, whole, chat.Usage{Prompt: prompt, Completion: answer, Source: chat.UsageEstimated}},
		"what is no such object":           {"completions", "text", whole, chat.Usage{Prompt: prompt, Source: chat.UsageEstimated}},
		"a stream whose client hangs up":   {"completions", stream, 2, chat.Usage{Prompt: prompt, Completion: answer, Source: chat.UsagePartial}},
		"a client that reads the head":     {"completions", stream, 1, chat.Usage{Prompt: prompt, Source: chat.UsagePartial}},
		"what is no text is not estimated": {"audio/speech", "sound", whole, chat.Usage{Source: chat.UsageUnknown}},
	} {
		r, _ := carryRig(func(context.Context, *upstream.RawCall) (*upstream.RawAnswer, error) {
			return &upstream.RawAnswer{
				Status: 200, Body: io.NopCloser(strings.NewReader(c.answer)),
				End: func() (*chat.Usage, *upstream.Failure) { return nil, nil },
			}, nil
		})
		r.caller = limited()
		r.carry(t, carriedRequest(t, c.endpoint, `{"model":"m","prompt":"`+asked+`"}`), c.reads)
		if got := r.log.entries[0].Usage; got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if got := r.pool.paid; len(got) != 1 || got[0].Tokens != uint64(c.want.Prompt+c.want.Completion) {
			t.Errorf("%s: paid %+v", name, got)
		}
	}
}

// An answer that was kept open is gone on with where that can be charged; else the request is
// sent as a whole, and what it is charged comes with its demand.
func TestEachTurnOfAKeptAnswerPaysForItself(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		full    bool
		demands int
		resumed bool
	}{
		"there is room": {false, 1, true},
		"there is none": {true, 2, false},
	} {
		r, driver := keptRig(4)
		r.caller, r.pool.full = limited(), c.full
		r.chat(t.Context(), t, whole)
		r.chatWith(t.Context(), t, after(driver.kept[0].call), whole)
		if len(r.pool.demands) != c.demands || (driver.calls[1].Resume != nil) != c.resumed {
			t.Errorf("%s: %d demands, resumed: %v", name, len(r.pool.demands), driver.calls[1].Resume != nil)
		}
		if want := (lease.Amounts{Requests: 1, Tokens: 11, Cost: 20}); !slices.Equal(r.pool.paid, []lease.Amounts{want, want}) {
			t.Errorf("%s: paid %+v", name, r.pool.paid)
		}
		r.relay.Close()
	}
}

func TestAKeptAnswerIsItsCallersAlone(t *testing.T) {
	t.Parallel()
	r, driver := keptRig(4)
	r.caller = caller.Caller{Owner: sha256.Sum256([]byte("one"))}
	r.chat(t.Context(), t, whole)
	r.caller = caller.Caller{Owner: sha256.Sum256([]byte("another"))}
	r.chatWith(t.Context(), t, after(driver.kept[0].call), whole)
	if driver.calls[1].Resume != nil {
		t.Error("another caller goes on with it")
	}
	r.relay.Close()
	if _, err := r.pool.classes(); err != nil {
		t.Error(err)
	}
}
