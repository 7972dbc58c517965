package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/leaktest"
	"carousel.internal/proto/service/secret"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// fakeDriver is an upstream whose models a test decides.
type fakeDriver struct {
	config upstream.Config
	models func(ctx context.Context, credential upstream.Credential) ([]chat.Model, error)
	closed int
}

func (d *fakeDriver) Chat(context.Context, *upstream.Call) iter.Seq2[chat.Event, error] { return nil }

func (d *fakeDriver) Models(ctx context.Context, credential upstream.Credential) ([]chat.Model, error) {
	return d.models(ctx, credential)
}
func (d *fakeDriver) Close() { d.closed++ }

// knowing is a driver with a list of its own.
type knowing struct{ *fakeDriver }

func (knowing) BuiltInModels() []chat.Model {
	return []chat.Model{{ID: "claude-3.5-sonnet", OwnedBy: "anthropic", Created: 1}, {ID: "gpt-4o", OwnedBy: "openai", Created: 1}}
}

func (knowing) AsksModels() bool { return false }

// curious is a driver with a list of its own, which asks all the same.
type curious struct{ knowing }

func (curious) AsksModels() bool { return true }

// Carries implements upstream.Carrier: it can be asked for words only.
func (knowing) Carries(chat.Need) bool { return false }

// TakesOwnTokens implements upstream.OwnTokens.
func (knowing) TakesOwnTokens() {}

// rig is a catalog and what it was given.
type rig struct {
	*Catalog
	built []*fakeDriver
	log   lockedBuffer

	mu       sync.Mutex
	answer   func() ([]chat.Model, error) // what asked upstreams tell
	borrowed error                        // why there is no token
	asked    []string
	released []error
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// tells makes upstreams answer so.
func (r *rig) tells(models []chat.Model, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.borrowed = nil
	r.answer = func() ([]chat.Model, error) { return slices.Clone(models), err }
}

// history is who has been asked with what, and how the credentials came back.
func (r *rig) history() (asked []string, released []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked), slices.Clone(r.released)
}

func newRig() *rig {
	r := &rig{}
	r.tells(nil, errors.New("silent"))
	build := func(config upstream.Config) *fakeDriver {
		d := &fakeDriver{config: config}
		d.models = func(_ context.Context, credential upstream.Credential) ([]chat.Model, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.asked = append(r.asked, config.Name+" with "+credential.Secret.Reveal())
			return r.answer()
		}
		r.built = append(r.built, d)
		return d
	}
	r.Catalog = New(map[string]upstream.Constructor{
		"cursor":  func(config upstream.Config) (upstream.Driver, error) { return knowing{build(config)}, nil },
		"curious": func(config upstream.Config) (upstream.Driver, error) { return curious{knowing{build(config)}}, nil },
		"openai": func(config upstream.Config) (upstream.Driver, error) {
			if config.BaseURL == "" {
				return nil, errors.New("base_url: must not be empty")
			}
			return build(config), nil
		},
	}, func(_ context.Context, name string) (upstream.Credential, func(error), error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.borrowed != nil {
			return upstream.Credential{}, nil, r.borrowed
		}
		return upstream.Credential{Secret: secret.New("key of " + name)}, func(err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.released = append(r.released, err)
		}, nil
	}, slog.New(slog.NewTextHandler(&r.log, nil)))
	return r
}

var (
	cursorConfig = upstream.Config{Name: "cursor", Driver: "cursor"}
	backup       = upstream.Config{Name: "backup", Driver: "cursor", Models: []string{"claude-3.5-sonnet", "own"}}
	local        = upstream.Config{Name: "local", Driver: "openai", BaseURL: "http://localhost", Models: []string{"gpt-4o", "org/llama"}}
	open         = upstream.Config{Name: "open", Driver: "openai", BaseURL: "http://localhost"}
)

func TestResolve(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.Update([]upstream.Config{local, backup, cursorConfig}, nil)
	long := strings.Repeat("é", 200)
	for _, test := range []struct {
		model     string
		anyClaude bool
		upstream  string // empty: refused
		want      string
	}{
		{"claude-3.5-sonnet", false, "cursor", "claude-3.5-sonnet"},
		{"gpt-4o", false, "cursor", "gpt-4o"},
		{"own", false, "backup", "own"},
		{"org/llama", false, "local", "org/llama"},
		{"local/gpt-4o", false, "local", "gpt-4o"},
		{"local/org/llama", false, "local", "org/llama"},
		{"local/unlisted", false, "local", "unlisted"},
		{"local/", false, "", ""},
		{"nowhere/gpt-4o", false, "", ""},
		{"claude-9", false, "", ""},
		{"claude-9", true, "cursor", "claude-9"},
		{"not-claude", true, "", ""},
		{"", true, "", ""},
		{long, true, "", ""},
		{"claude" + long, true, "", ""},
		{"local/" + long, false, "", ""},
	} {
		got, err := r.Resolve(Wish{Model: test.model, AnyClaude: test.anyClaude})
		if test.upstream != "" {
			if err != nil || got.First.Upstream != test.upstream || got.First.Model != test.want || got.First.Driver == nil {
				t.Errorf("%q: %+v, %v", test.model, got, err)
			}
			continue
		}
		refused := chat.AsError(err)
		if refused == nil || refused.Kind != chat.ModelNotSupported || refused.Param != "model" || len(refused.Message) > 250 ||
			!strings.Contains(refused.Message, test.model[:min(len(test.model), 40)]) {
			t.Errorf("%q: %+v, %v", test.model, got, err)
		}
	}
}

// An upstream that can't carry a request is passed over where another one serves the
// model and can.
func TestResolvePassesOverWhoCannotCarry(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.Update([]upstream.Config{cursorConfig, local, backup}, nil)
	tools := &chat.Request{Asks: []chat.Ask{{Field: "tools", Need: chat.Tools}}}
	history := &chat.Request{Messages: []chat.Message{{Role: chat.Tool, Parts: []chat.Part{{Result: &chat.Result{}}}}}}
	tunes := &chat.Request{Asks: []chat.Ask{{Field: "seed", Need: chat.Tuning}}, Stop: []string{"x"}, MaxTokens: 1}
	for _, test := range []struct {
		wish Wish
		want string
	}{
		{Wish{Model: "gpt-4o", Request: tools}, "local"},
		{Wish{Model: "gpt-4o", Request: history}, "local"},
		{Wish{Model: "gpt-4o", Request: tunes}, "cursor"},
		{Wish{Model: "gpt-4o", Request: &chat.Request{}}, "cursor"},
		{Wish{Model: "cursor/gpt-4o", Request: tools}, "cursor"},     // as named
		{Wish{Model: "claude-3.5-sonnet", Request: tools}, "cursor"}, // none can: the first is to say so
		{Wish{Model: "gpt-4o", Request: tools, OwnToken: true}, "cursor"},
	} {
		if got, err := r.Resolve(test.wish); err != nil || got.First.Upstream != test.want {
			t.Errorf("%+v goes to %q, %v; want %q", test.wish, got.First.Upstream, err, test.want)
		}
	}
}

// An upstream without tokens never wins a model that another one with tokens serves.
func TestAnUpstreamWithoutTokensIsPassedOver(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.Update([]upstream.Config{cursorConfig, backup, local}, nil)
	tools := &chat.Request{Asks: []chat.Ask{{Field: "tools", Need: chat.Tools}}}
	for _, test := range []struct {
		stocked []string
		// Where these models go, and what is listed.
		gpt4o, claude, withTools, own string
		list                          []string
	}{
		{nil, "cursor", "cursor", "local", "cursor", []string{"claude-3.5-sonnet", "gpt-4o", "own", "org/llama"}}, // nobody has told yet
		{[]string{"cursor", "local", "backup"}, "cursor", "cursor", "local", "cursor", []string{"claude-3.5-sonnet", "gpt-4o", "own", "org/llama"}},
		{[]string{"local"}, "local", "cursor", "local", "cursor", []string{"gpt-4o", "org/llama"}},
		{[]string{"backup"}, "cursor", "backup", "local", "cursor", []string{"claude-3.5-sonnet", "own"}},
		{[]string{"cursor"}, "cursor", "cursor", "cursor", "cursor", []string{"claude-3.5-sonnet", "gpt-4o"}},
		{[]string{}, "cursor", "cursor", "local", "cursor", nil},
	} {
		if test.stocked != nil {
			r.SetStocked(test.stocked)
		}
		for _, each := range []struct {
			wish Wish
			want string
		}{
			{Wish{Model: "gpt-4o"}, test.gpt4o},
			{Wish{Model: "claude-3.5-sonnet"}, test.claude},
			{Wish{Model: "gpt-4o", Request: tools}, test.withTools},
			{Wish{Model: "gpt-4o", OwnToken: true}, test.own},
		} {
			if got, err := r.Resolve(each.wish); err != nil || got.First.Upstream != each.want {
				t.Errorf("with tokens of %q, %+v goes to %q, %v; want %s", test.stocked, each.wish, got.First.Upstream, err, each.want)
			}
		}
		var list []string
		for _, model := range r.Servable() {
			list = append(list, model.ID)
		}
		if !slices.Equal(list, test.list) {
			t.Errorf("with tokens of %q are listed %q, want %q", test.stocked, list, test.list)
		}
	}
	if len(r.Models()) != 4 {
		t.Errorf("the whole list is %v", r.Models())
	}
}

func TestBeforeTheFirstConfigurationNoModelIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig()
	_, err := r.Resolve(Wish{Model: "gpt-4o"})
	if got := chat.AsError(err); got == nil || got.Kind != chat.StoreUnavailable || got.RetryAfter <= 0 {
		t.Errorf("got %v", err)
	}
	r.Update(nil, nil)
	if _, err := r.Resolve(Wish{Model: "gpt-4o"}); chat.AsError(err).Kind != chat.ModelNotSupported {
		t.Errorf("got %v", err)
	}
}

func TestAnyClaudeNeedsACursorUpstream(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.Update([]upstream.Config{local}, nil)
	if got, err := r.Resolve(Wish{Model: "claude-9", AnyClaude: true}); err == nil {
		t.Errorf("went to %v", got)
	}
}

func TestModelsAreListedOnceInOrderOfTheUpstreams(t *testing.T) {
	t.Parallel()
	r := newRig()
	twice := local
	twice.Models = append(slices.Clone(local.Models), "org/llama")
	r.Update([]upstream.Config{twice, backup, cursorConfig}, nil)
	want := []chat.Model{
		{ID: "claude-3.5-sonnet", OwnedBy: "anthropic", Created: 1}, // cursor's own
		{ID: "gpt-4o", OwnedBy: "openai", Created: 1},
		{ID: "own", OwnedBy: "backup", Created: chat.UntoldCreated},
		{ID: "org/llama", OwnedBy: "local", Created: chat.UntoldCreated},
	}
	if diff := cmp.Diff(want, r.Models()); diff != "" {
		t.Error(diff)
	}
	r.Update([]upstream.Config{backup}, nil)
	want = []chat.Model{{ID: "claude-3.5-sonnet", OwnedBy: "anthropic", Created: 1}, {ID: "own", OwnedBy: "backup", Created: chat.UntoldCreated}}
	if diff := cmp.Diff(want, r.Models()); diff != "" {
		t.Error(diff)
	}
}

func TestUpdateKeepsWhatHasNotChanged(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.Update([]upstream.Config{cursorConfig, local}, nil)
	plan, _ := r.Resolve(Wish{Model: "org/llama"})
	before := plan.First
	moved := local
	moved.BaseURL = "http://elsewhere"
	same := cursorConfig
	r.Update([]upstream.Config{moved, same}, nil)
	if len(r.built) != 3 || r.built[0].closed != 0 || r.built[1].closed != 1 || r.built[2].closed != 0 {
		t.Fatalf("built %d drivers", len(r.built))
	}
	if got, _ := r.Resolve(Wish{Model: "org/llama"}); got.First.Driver != upstream.Driver(r.built[2]) {
		t.Error("the replaced driver is still used")
	}
	if now := r.Current(before); now.Driver != upstream.Driver(r.built[2]) || now.Model != before.Model {
		t.Errorf("what was resolved before is %+v now", now)
	}
	r.Update(nil, nil)
	if now := r.Current(before); now != before {
		t.Errorf("that of an upstream that is gone is %+v now", now)
	}
	if r.built[0].closed != 1 || r.built[1].closed != 1 || r.built[2].closed != 1 || len(r.Models()) != 0 {
		t.Error("deleted upstreams are not closed once")
	}
}

// An upstream whose new configuration can't work goes on as before; one that never
// could is left out.
func TestUpstreamThatCannotBeBuiltKeepsWhatItHad(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.Update([]upstream.Config{local, cursorConfig}, nil)
	plan, _ := r.Resolve(Wish{Model: "org/llama"})
	before := plan.First
	broken, unknown := local, upstream.Config{Name: "odd", Driver: "morse"}
	broken.BaseURL = ""
	r.Update([]upstream.Config{broken, unknown, cursorConfig}, nil)
	if after, err := r.Resolve(Wish{Model: "org/llama"}); err != nil || after.First.Driver != before.Driver || r.built[0].closed != 0 {
		t.Errorf("the old driver is not used any more: %v", err)
	}
	if _, err := r.Resolve(Wish{Model: "odd/x"}); err == nil {
		t.Error("an upstream that never could work is used")
	}
	if _, err := r.Resolve(Wish{Model: "gpt-4o"}); err != nil {
		t.Errorf("the good one suffers: %v", err)
	}
	for _, part := range []string{"level=ERROR", "upstream=local", "base_url: must not be empty", "upstream=odd", "is not one of curious, cursor, openai"} {
		if !strings.Contains(r.log.String(), part) {
			t.Errorf("the log does not say %q: %s", part, r.log.String())
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	r := newRig()
	if err := r.Validate(local); err != nil || len(r.built) != 1 || r.built[0].closed != 1 {
		t.Errorf("%v", err)
	}
	for _, bad := range []upstream.Config{{Name: "x", Driver: "openai"}, {Name: "x", Driver: "morse"}} {
		if r.Validate(bad) == nil {
			t.Errorf("%+v passes", bad)
		}
	}
	if len(r.Models()) != 0 {
		t.Error("what was validated is used")
	}
}

// checking is a driver whose requests go through proxies.
type checking struct {
	*fakeDriver
	err error
}

func (d checking) CheckProxy(_ context.Context, proxy secret.Value) error {
	return fmt.Errorf("%s to %s: %w", proxy.Reveal(), d.config.BaseURL, d.err)
}

// The driver knows where its requests go, and so what a proxy must lead to.
func TestCheckProxy(t *testing.T) {
	t.Parallel()
	r, dead := newRig(), errors.New("dead")
	r.constructors["checking"] = func(config upstream.Config) (upstream.Driver, error) {
		r.built = append(r.built, &fakeDriver{config: config})
		return checking{r.built[0], dead}, nil
	}
	config := upstream.Config{Name: "x", Driver: "checking", BaseURL: "http://there"}
	err := r.CheckProxy(t.Context(), config, secret.New("http://proxy"))
	if !errors.Is(err, dead) || err.Error() != "http://proxy to http://there: dead" || r.built[0].closed != 1 {
		t.Errorf("%v, closed %d times", err, r.built[0].closed)
	}
	if err := r.CheckProxy(t.Context(), local, secret.New("http://proxy")); err != nil {
		t.Errorf("a driver that uses none: %v", err)
	}
	if err := r.CheckProxy(t.Context(), upstream.Config{Name: "x", Driver: "morse"}, secret.New("http://proxy")); err == nil {
		t.Error("a config that can't work passes")
	}
}

// running runs the catalog in a bubble while test goes on.
func running(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		ctx, stop := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { r.Run(ctx) })
		defer run.Wait()
		defer stop()
		test(t, r)
	})
}

func pause(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestModelsAreAskedFor(t *testing.T) {
	running(t, func(t *testing.T, r *rig) {
		list := []chat.Model{{ID: "a", OwnedBy: "somebody", Created: 7}, {ID: "b"}}
		r.tells(list, nil)
		r.Update([]upstream.Config{open, local, cursorConfig}, nil)
		synctest.Wait()
		asked, released := r.history()
		if diff := cmp.Diff([]string{"open with key of open"}, asked); diff != "" {
			t.Error("only who has no list is asked:", diff)
		}
		if len(released) != 1 || released[0] != nil {
			t.Errorf("released %v", released)
		}
		want := []chat.Model{{ID: "a", OwnedBy: "somebody", Created: 7}, {ID: "b", OwnedBy: "open", Created: chat.UntoldCreated}}
		if diff := cmp.Diff(want, r.Models()[3:]); diff != "" {
			t.Error(diff)
		}
		if got, err := r.Resolve(Wish{Model: "b"}); err != nil || got.First.Upstream != "open" {
			t.Errorf("%v, %v", got, err)
		}
		// Another change does not ask again, and keeps what is known.
		r.Update([]upstream.Config{open}, nil)
		pause(time.Minute)
		if asked, _ := r.history(); len(asked) != 1 || len(r.Models()) != 2 {
			t.Errorf("asked %v, knows %v", asked, r.Models())
		}
		// Time does.
		r.tells([]chat.Model{{ID: "c"}}, nil)
		pause(refreshEvery)
		if asked, _ := r.history(); len(asked) != 2 || len(r.Models()) != 1 {
			t.Errorf("asked %v, knows %v", asked, r.Models())
		}
	})
}

// A driver that knows models and asks all the same lists both. A configured list replaces
// both, and what the upstream tells is for the driver alone.
func TestModelsAreKnownAndAskedFor(t *testing.T) {
	for name, test := range map[string]struct {
		configured, want []string
	}{
		"no list is configured": {nil, []string{"claude-3.5-sonnet", "gpt-4o", "new"}},
		"a list is configured":  {[]string{"new", "own"}, []string{"new", "own"}},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, func(t *testing.T, r *rig) {
				r.SetStocked(nil)
				r.Update([]upstream.Config{{Name: "cursor", Driver: "curious", Models: test.configured}}, nil)
				pause(time.Second)
				if asked, _ := r.history(); len(asked) != 0 {
					t.Errorf("asked without a token: %v", asked)
				}
				if got, err := r.Resolve(Wish{Model: "gpt-4o"}); test.configured == nil && (err != nil || got.First.Listed) {
					t.Errorf("before it was asked: %+v, %v", got, err)
				}
				r.tells([]chat.Model{{ID: "new", OwnedBy: "maker"}, {ID: "gpt-4o", OwnedBy: "other"}}, nil)
				r.SetStocked([]string{"cursor"})
				synctest.Wait()
				var ids []string
				for _, model := range r.Models() {
					ids = append(ids, model.ID)
				}
				if !slices.Equal(ids, test.want) {
					t.Errorf("listed are %q", ids)
				}
				got, err := r.Resolve(Wish{Model: "new"})
				if err != nil || !got.First.Listed {
					t.Errorf("what it has told: %+v, %v", got, err)
				}
				if got, err := r.Resolve(Wish{Model: "claude-3.5-sonnet"}); err == nil && got.First.Listed {
					t.Errorf("what it has not told: %+v", got)
				}
				pause(refreshEvery)
				if asked, _ := r.history(); len(asked) != 2 {
					t.Errorf("asked %v", asked)
				}
			})
		})
	}
}

// errNotBorrowed stands for a credential that was never lent.
var errNotBorrowed = errors.New("not borrowed")

func TestSilentUpstreamIsAskedAgain(t *testing.T) {
	failure := &upstream.Failure{Class: upstream.Transport, Message: "unreachable"}
	for name, test := range map[string]struct {
		arrange  func(r *rig)
		released error
	}{
		"it fails":    {func(r *rig) { r.tells(nil, failure) }, failure},
		"it has none": {func(r *rig) { r.tells(nil, nil) }, nil},
		"no token":    {func(r *rig) { r.borrowed = chat.Errorf(chat.NoTokens, "no tokens") }, errNotBorrowed},
	} {
		t.Run(name, func(t *testing.T) {
			running(t, func(t *testing.T, r *rig) {
				test.arrange(r)
				r.Update([]upstream.Config{open}, nil)
				pause(10 * time.Minute)
				asked, released := r.history()
				if errors.Is(test.released, errNotBorrowed) && len(asked)+len(released) != 0 {
					t.Errorf("asked %d times without a token", len(asked))
				} else if !errors.Is(test.released, errNotBorrowed) && (len(asked) < 10 || len(asked) > 15 || len(released) != len(asked) || !errors.Is(released[0], test.released)) {
					t.Errorf("asked %d times, released %d", len(asked), len(released))
				}
				if n := strings.Count(r.log.String(), "does not tell its models"); n != 1 {
					t.Errorf("logged %d times", n)
				}
				r.tells([]chat.Model{{ID: "a"}}, nil)
				pause(retryMost)
				if len(r.Models()) != 1 {
					t.Error("still unknown")
				}
			})
		})
	}
}

// Whoever gives an upstream its first token sees its models at once.
func TestModelsAreAskedForWhenTheFirstTokenComes(t *testing.T) {
	running(t, func(t *testing.T, r *rig) {
		r.Update([]upstream.Config{open}, nil)
		r.SetStocked(nil)
		pause(time.Second)
		asked, _ := r.history()
		r.tells([]chat.Model{{ID: "a"}}, nil)
		r.SetStocked([]string{"open"})
		synctest.Wait()
		if models := r.Servable(); len(models) != 1 || models[0].ID != "a" {
			t.Errorf("listed are %v", models)
		}
		again, _ := r.history()
		for range 3 {
			r.SetStocked([]string{"open"})
			synctest.Wait()
		}
		if still, _ := r.history(); len(again) != len(asked)+1 || len(still) != len(again) {
			t.Errorf("asked %d, %d and %d times", len(asked), len(again), len(still))
		}
	})
}

func TestKnownModelsStayWhileTheUpstreamIsSilent(t *testing.T) {
	running(t, func(t *testing.T, r *rig) {
		r.tells([]chat.Model{{ID: "a"}}, nil)
		r.Update([]upstream.Config{open}, nil)
		synctest.Wait()
		r.tells(nil, errors.New("silent"))
		pause(3 * refreshEvery)
		if asked, _ := r.history(); len(r.Models()) != 1 || len(asked) < 3 {
			t.Errorf("asked %d times, knows %v", len(asked), r.Models())
		}
	})
}

func TestOneSilentUpstreamDoesNotDelayAnother(t *testing.T) {
	running(t, func(t *testing.T, r *rig) {
		r.constructors["hanging"] = func(config upstream.Config) (upstream.Driver, error) {
			return &fakeDriver{config: config, models: func(ctx context.Context, _ upstream.Credential) ([]chat.Model, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}}, nil
		}
		r.tells([]chat.Model{{ID: "a"}}, nil)
		r.Update([]upstream.Config{{Name: "hanging", Driver: "hanging"}, open}, nil)
		synctest.Wait()
		if len(r.Models()) != 1 {
			t.Errorf("knows %v", r.Models())
		}
		pause(askTimeout) // an answer is not waited for longer
		if _, released := r.history(); len(released) != 2 {
			t.Errorf("released %v", released)
		}
	})
}

func TestUpstreamReplacedWhileItIsAskedStaysReplaced(t *testing.T) {
	running(t, func(t *testing.T, r *rig) {
		started, answer := make(chan struct{}, 1), make(chan struct{})
		r.tells([]chat.Model{{ID: "new"}}, nil)
		r.constructors["slow"] = func(config upstream.Config) (upstream.Driver, error) {
			d := &fakeDriver{config: config, models: func(context.Context, upstream.Credential) ([]chat.Model, error) {
				started <- struct{}{}
				<-answer
				return []chat.Model{{ID: "old"}}, nil
			}}
			return d, nil
		}
		slow := open
		slow.Driver = "slow"
		r.Update([]upstream.Config{slow}, nil)
		<-started
		r.Update([]upstream.Config{open}, nil)
		close(answer)
		pause(retryFirst)
		if got := r.Models(); len(got) != 1 || got[0].ID != "new" {
			t.Errorf("knows %v", got)
		}
	})
}

func TestRunClosesTheDriversAtItsEnd(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.Update([]upstream.Config{cursorConfig, local}, nil)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	r.Run(ctx)
	for _, d := range r.built {
		if d.closed == 0 {
			t.Errorf("%s is not closed", d.config.Name)
		}
	}
}
