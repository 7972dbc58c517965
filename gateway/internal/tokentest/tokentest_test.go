package tokentest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/tokentest"
	"carousel.internal/gateway/internal/upstream"
)

// prices knows one model: a picodollar for each token of the question, ten for each of the answer.
type prices struct{}

func (prices) Priced(_, model string) bool { return model == "gpt-mini" }

func (prices) Cost(_, model string, usage chat.Usage) (money.Pico, reqlog.CostQuality) {
	if model != "gpt-mini" {
		return 0, reqlog.CostUnpriced
	}
	return money.Pico(usage.Prompt + 10*usage.Completion), reqlog.CostReported
}

func (p prices) Most(name, model string, prompt, completion int) money.Pico {
	most, _ := p.Cost(name, model, chat.Usage{Prompt: prompt, Completion: completion})
	return most
}

// answers is a Chat that yields some events and an error.
func answers(err error, events ...chat.Event) func(context.Context, *chat.Request, caller.Caller, lease.Choice) iter.Seq2[chat.Event, error] {
	return func(context.Context, *chat.Request, caller.Caller, lease.Choice) iter.Seq2[chat.Event, error] {
		return func(yield func(chat.Event, error) bool) {
			for _, event := range events {
				if !yield(event, nil) {
					return
				}
			}
			if err != nil {
				yield(chat.Event{}, err)
			}
		}
	}
}

func serves(models ...string) func(string) []string { return func(string) []string { return models } }

func desk(change func(*tokentest.Params)) *tokentest.Desk {
	params := tokentest.Params{Chat: answers(nil, chat.Event{}), Models: serves("gpt-mini"), Prices: prices{}, LookPause: 1}
	change(&params)
	return tokentest.New(params)
}

// Each result is there as soon as its test has ended, whatever the others do, and who wants no more
// ends those.
func TestResultsComeAsTheyAreThere(t *testing.T) {
	t.Parallel()
	begun, ended := make(chan struct{}), make(chan string, 2)
	d := desk(func(p *tokentest.Params) {
		p.Chat = func(ctx context.Context, _ *chat.Request, _ caller.Caller, choice lease.Choice) iter.Seq2[chat.Event, error] {
			return func(yield func(chat.Event, error) bool) {
				if choice.TokenID == "quick" {
					<-begun
					yield(chat.Event{}, nil)
					return
				}
				close(begun)
				<-ctx.Done() // for ever, if nobody ends it
				ended <- choice.TokenID
				yield(chat.Event{}, ctx.Err())
			}
		}
	})
	tokens := []tokentest.Token{{ID: "slow", Upstream: "vendor"}, {ID: "quick", Upstream: "vendor"}}
	for i, result := range d.Each(t.Context(), tokens, "", caller.Caller{}) {
		if i != 1 || result.ID != "quick" || !result.Works() || !result.Reached() {
			t.Errorf("%d: %+v", i, result)
		}
		break
	}
	select {
	case id := <-ended:
		if id != "slow" {
			t.Errorf("%s has ended", id)
		}
	default:
		t.Error("the other test goes on")
	}
}

func TestWhatATestFinds(t *testing.T) {
	t.Parallel()
	failed := func(class upstream.Class) error {
		return &chat.Error{Kind: class.Kind(), Message: "it says so", Err: &upstream.Failure{Class: class}}
	}
	for name, c := range map[string]struct {
		err   error
		class string
	}{
		"it works":               {nil, ""},
		"its key is refused":     {failed(upstream.Auth), "auth"},
		"its quota is used up":   {failed(upstream.Quota), "quota"},
		"it is disabled":         {chat.Errorf(chat.NoTokens, "it says so"), "rests"},
		"it cools":               {chat.Errorf(chat.NoTokenAvailable, "it says so"), "rests"},
		"the model is nobody's":  {chat.Errorf(chat.ModelNotSupported, "it says so"), "model_unknown"},
		"the store is away":      {chat.Errorf(chat.StoreUnavailable, "it says so"), "store"},
		"no answer in time":      {&chat.Error{Kind: chat.Timeout, Message: "it says so", Err: &upstream.Failure{Class: upstream.Interrupted}}, "timeout"},
		"who asks has gone":      {&chat.Error{Kind: chat.Canceled, Message: "it says so"}, "client_gone"},
		"something else":         {errors.New("secret"), "other"},
		"the gateway shuts down": {chat.Errorf(chat.ShuttingDown, "it says so"), "interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			usage := chat.Usage{Prompt: 12, Completion: 3}
			d := desk(func(p *tokentest.Params) { p.Chat = answers(c.err, chat.Event{Usage: &usage}) })
			got := d.Run(t.Context(), []tokentest.Token{{ID: "t1", Upstream: "vendor"}}, "", caller.Caller{})[0]
			if got.Class != c.class || got.Works() != (c.err == nil) || got.ID != "t1" || got.Model != "gpt-mini" || len(got.RequestID) != 32 {
				t.Errorf("%+v", got)
			}
			if got.Cost != 42 || got.Quality != reqlog.CostReported {
				t.Errorf("it cost %v (%s)", got.Cost, got.Quality)
			}
			if c.err != nil && (strings.Contains(got.Message, "secret") || tokentest.Advice(got.Class) == "") {
				t.Errorf("%q: %q", got.Message, tokentest.Advice(got.Class))
			}
		})
	}
}

// The request is small, bounded, and for one token alone.
func TestWhatATestAsks(t *testing.T) {
	t.Parallel()
	var asked *chat.Request
	var chosen lease.Choice
	var sender caller.Caller
	d := desk(func(p *tokentest.Params) {
		p.Chat = func(ctx context.Context, request *chat.Request, from caller.Caller, choice lease.Choice) iter.Seq2[chat.Event, error] {
			asked, chosen, sender = request, choice, from
			return answers(nil)(ctx, request, from, choice)
		}
	})
	d.Run(t.Context(), []tokentest.Token{{ID: "t1", Upstream: "vendor"}}, "o3", caller.Caller{Kind: caller.Session})
	if asked.Model != "o3" || asked.MaxTokens != 1000 || len(asked.Messages) != 1 || chosen != (lease.Choice{Upstream: "vendor", TokenID: "t1"}) || sender.Kind != caller.Session {
		t.Errorf("%+v with %+v of %+v", asked, chosen, sender)
	}
}

func TestModelThatIsAsked(t *testing.T) {
	t.Parallel()
	for models, want := range map[string]string{
		"gpt-4o gpt-4o-mini":              "gpt-4o-mini",
		"text-embedding-3-small gpt-4o":   "gpt-4o",
		"llama-3.3-70b llama-3.1-8b":      "llama-3.1-8b",
		"claude-opus-4 claude-haiku-4-5":  "claude-haiku-4-5",
		"whisper-1 gpt-4o-mini-tts":       "",
		"deepseek-chat deepseek-reasoner": "deepseek-chat",
	} {
		d := desk(func(p *tokentest.Params) { p.Models = serves(strings.Fields(models)...) })
		got := d.Run(t.Context(), []tokentest.Token{{ID: "t1", Upstream: "vendor"}}, "", caller.Caller{})[0]
		if got.Model != want || (got.Class == tokentest.NoModel) != (want == "") || (got.RequestID == "") != (want == "") {
			t.Errorf("of %s: %+v", models, got)
		}
	}
}

func TestModelsOfANewUpstreamAreWaitedFor(t *testing.T) {
	t.Parallel()
	var looks atomic.Int32
	d := desk(func(p *tokentest.Params) {
		p.Models = func(string) []string {
			if looks.Add(1) < 4 {
				return nil
			}
			return []string{"gpt-mini"}
		}
	})
	got := d.Run(t.Context(), []tokentest.Token{{ID: "t1", Upstream: "new"}, {ID: "t2", Upstream: "new"}}, "", caller.Caller{})
	if !got[0].Works() || !got[1].Works() || looks.Load() != 4 {
		t.Errorf("%+v after %d looks", got, looks.Load())
	}
}

// However many tokens and callers there are, a gateway has eight tests under way at most; who
// stops asks for no more.
func TestTestsAreBoundedAndStoppable(t *testing.T) {
	t.Parallel()
	var under, most, asked atomic.Int32
	full, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	d := desk(func(p *tokentest.Params) {
		p.Chat = func(context.Context, *chat.Request, caller.Caller, lease.Choice) iter.Seq2[chat.Event, error] {
			return func(func(chat.Event, error) bool) {
				asked.Add(1)
				n := under.Add(1)
				defer under.Add(-1)
				for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
				}
				if n == 8 {
					once.Do(func() { close(full) })
				}
				<-release
			}
		}
	})
	tokens := make([]tokentest.Token, 30)
	for i := range tokens {
		tokens[i] = tokentest.Token{ID: fmt.Sprint("t", i), Upstream: "vendor"}
	}
	ctx, stop := context.WithCancel(t.Context())
	results := make([][]tokentest.Result, 2)
	var callers sync.WaitGroup
	for i := range results {
		callers.Go(func() { results[i] = d.Run(ctx, tokens, "", caller.Caller{}) })
	}
	<-full
	stop()
	close(release)
	callers.Wait()
	if most.Load() != 8 || asked.Load() > 16 {
		t.Errorf("%d were under way, %d asked", most.Load(), asked.Load())
	}
	all := slices.Concat(results...)
	reached := 0
	for i, result := range all {
		if result.ID != fmt.Sprint("t", i%30) {
			t.Errorf("the result of %s is at %d", result.ID, i)
		}
		if result.Class != tokentest.NotReached {
			reached++
		}
	}
	if int32(reached) != asked.Load() {
		t.Errorf("%d were reached, %d asked", reached, asked.Load())
	}
}

// However slow the answers are, all tests of one call end in five minutes, also of one that takes
// the results as they come.
func TestOneCallHasABound(t *testing.T) {
	t.Parallel()
	tokens := make([]tokentest.Token, tokentest.Most)
	for i := range tokens {
		tokens[i] = tokentest.Token{ID: fmt.Sprint("t", i), Upstream: "vendor"}
	}
	for name, call := range map[string]func(context.Context, *tokentest.Desk) []tokentest.Result{
		"all at once": func(ctx context.Context, d *tokentest.Desk) []tokentest.Result {
			return d.Run(ctx, tokens, "", caller.Caller{})
		},
		"one by one": func(ctx context.Context, d *tokentest.Desk) []tokentest.Result {
			var results []tokentest.Result
			for _, result := range d.Each(ctx, tokens, "", caller.Caller{}) {
				results = append(results, result)
			}
			return results
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := desk(func(p *tokentest.Params) {
					p.Chat = func(ctx context.Context, _ *chat.Request, _ caller.Caller, _ lease.Choice) iter.Seq2[chat.Event, error] {
						return func(yield func(chat.Event, error) bool) {
							<-ctx.Done() // no answer comes
							yield(chat.Event{}, ctx.Err())
						}
					}
				})
				begun, reached := time.Now(), 0
				results := call(t.Context(), d)
				for _, result := range results {
					if result.Reached() {
						reached++
					}
				}
				if took := time.Since(begun); took != 5*time.Minute || len(results) != len(tokens) || reached == 0 || reached > 48 {
					t.Errorf("%d results after %v, of which %d had their turn", len(results), took, reached)
				}
			})
		})
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	d := desk(func(p *tokentest.Params) {
		p.Models = func(name string) []string {
			return map[string][]string{"a": {"gpt-mini"}, "b": {"large"}}[name]
		}
	})
	plan := d.Plan([]tokentest.Token{{ID: "1", Upstream: "b"}, {ID: "2", Upstream: "a"}, {ID: "3", Upstream: "a"}, {ID: "4", Upstream: "c"}}, "")
	want := []tokentest.Part{
		{Upstream: "a", Model: "gpt-mini", Requests: 2, Priced: true, About: 2 * (16 + 160), AtMost: 2 * (16 + 10_000)},
		{Upstream: "b", Model: "large", Requests: 1},
		{Upstream: "c", Requests: 1},
	}
	if plan.Requests != 4 || !slices.Equal(plan.Parts, want) || plan.Unpriced() != 2 || plan.About() != 352 || plan.AtMost() != 20_032 {
		t.Errorf("%+v", plan)
	}
	if len(d.Plan(nil, "").Parts) != 0 {
		t.Error("no tokens, and a part")
	}
}

func TestEachClassHasAdvice(t *testing.T) {
	t.Parallel()
	for _, class := range upstream.Classes() {
		if tokentest.Advice(string(class)) == "" {
			t.Errorf("there is none for %s", class)
		}
	}
}
