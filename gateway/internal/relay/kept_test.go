package relay

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
)

// fakeKept is an answer that is kept open.
type fakeKept struct {
	call string
	done chan struct{}
	once sync.Once
	fits bool
}

func (k *fakeKept) Calls() []string          { return []string{k.call} }
func (k *fakeKept) Fits(*upstream.Call) bool { return k.fits }
func (k *fakeKept) Done() <-chan struct{}    { return k.done }
func (k *fakeKept) Close()                   { k.once.Do(func() { close(k.done) }) }

// keeper is a driver whose every answer is a call that it would keep. A call's id counts the
// answers.
type keeper struct {
	perToken int
	kept     []*fakeKept
	calls    []*upstream.Call
	// fails is how the next answers to resumed calls end; empty: well.
	fails upstream.Class
	// late: a failure comes after the first word.
	late bool
	// during is called when the end is about to be yielded.
	during func(call string)
}

func (k *keeper) KeepsPerToken() int { return k.perToken }

func (k *keeper) Models(context.Context, upstream.Credential) ([]chat.Model, error) { return nil, nil }
func (k *keeper) Close()                                                            {}

func (k *keeper) Chat(_ context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
	k.calls = append(k.calls, call)
	return func(yield func(chat.Event, error) bool) {
		if call.Resume != nil && k.fails != "" {
			call.Resume.Close()
			if k.late && !yield(say("word"), nil) {
				return
			}
			yield(chat.Event{}, &upstream.Failure{Class: k.fails})
			return
		}
		kept := &fakeKept{call: upstream.MarkKept(fmt.Sprint(len(k.calls))), done: make(chan struct{}), fits: true}
		taken := call.Keep != nil && call.Keep(kept)
		if taken {
			k.kept = append(k.kept, kept)
		}
		if k.during != nil {
			k.during(kept.call)
		}
		end := chat.Event{
			Kind: chat.CallBlock, Open: &chat.Block{ID: kept.call, Name: "f"}, Close: true, Finish: chat.CalledTools,
			Usage: &chat.Usage{Prompt: 10, Completion: 1, Source: chat.UsageReported},
		}
		if !yield(end, nil) && taken {
			kept.Close()
		}
	}
}

// keptRig is a rig with a keeper.
func keptRig(perToken int) (*rig, *keeper) {
	driver := &keeper{perToken: perToken}
	r := newRig(nil)
	r.relay.Catalog = catalogFunc(func(wish catalog.Wish) (catalog.Target, error) {
		return catalog.Target{Upstream: "up", Driver: driver, Model: wish.Model, Discipline: discipline}, nil
	})
	return r, driver
}

// after is a request with a result for a call.
func after(call string) *chat.Request {
	request := newRequest()
	request.Messages = append(request.Messages,
		chat.Message{Role: chat.Assistant, Parts: []chat.Part{{Call: &chat.Call{ID: call, Name: "f"}}}},
		chat.Message{Role: chat.Tool, Parts: []chat.Part{{Result: &chat.Result{CallID: call}}}},
	)
	return request
}

// Where a name leads to several targets an answer goes on at the one that has it.
func TestAnAnswerGoesOnAlongARoute(t *testing.T) {
	t.Parallel()
	r, driver := keptRig(4)
	wishes := r.leads("a", "b")
	r.chat(t.Context(), t, whole)
	for _, call := range []string{driver.kept[0].call, upstream.MarkKept("of nobody")} {
		r.chatWith(t.Context(), t, after(call), whole)
	}
	r.relay.Close()
	var open []catalog.Place
	for _, wish := range *wishes {
		open = append(open, wish.Open)
	}
	if want := []catalog.Place{{}, {Upstream: "a", Model: "model of a"}, {}}; !slices.Equal(open, want) {
		t.Errorf("open at %v, want %v", open, want)
	}
}

func (r *rig) open() int {
	open := 0
	for _, held := range r.pool.granted {
		if len(r.pool.settled[held]) == 0 {
			open++
		}
	}
	return open
}

// A request that has what an answer waits for goes on with it: no other lease is taken, and
// the one that there is is settled when all is over.
func TestAnAnswerThatGoesOn(t *testing.T) {
	t.Parallel()
	r, driver := keptRig(4)
	r.chat(t.Context(), t, whole)
	for range 3 {
		last := driver.kept[len(driver.kept)-1]
		if got := r.chatWith(t.Context(), t, after(last.call), whole); got.err != nil {
			t.Fatal(got.err)
		}
		if now := driver.calls[len(driver.calls)-1]; now.Resume != upstream.Kept(last) || now.Credential.Secret.Reveal() != "secret of a" {
			t.Error("it does not go on")
		}
	}
	if len(r.pool.granted) != 1 || r.open() != 1 {
		t.Errorf("%d leases, %d open", len(r.pool.granted), r.open())
	}
	if told := driver.calls[3].Told; told.Prompt != 30 || told.Completion != 3 {
		t.Errorf("told %+v", told)
	}
	if entry := r.log.entries[3]; entry.TokenID != "a" || entry.Attempts != 1 {
		t.Errorf("%+v", entry)
	}
	r.relay.Close()
	if classes, err := r.pool.classes(); err != nil || classes[0] != "" {
		t.Error(classes, err)
	}
	if !isClosed(driver.kept[3].done) {
		t.Error("the last one is not closed")
	}
	if r.chat(t.Context(), t, whole); len(driver.kept) != 4 {
		t.Error("one is kept after the end")
	}
}

// What does not go on is closed, its lease settled, and the request sent as a whole.
func TestAnAnswerThatDoesNotGoOn(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*rig, *keeper, *chat.Request)
		class  upstream.Class // of the first lease
		resume bool
	}{
		"it does not fit":         {func(_ *rig, k *keeper, _ *chat.Request) { k.kept[0].fits = false }, "", false},
		"another session":         {func(_ *rig, _ *keeper, q *chat.Request) { q.Session = "other" }, "", false},
		"another user":            {func(_ *rig, _ *keeper, q *chat.Request) { q.User = "other" }, "", false},
		"another alias":           {func(r *rig, _ *keeper, _ *chat.Request) { r.choice.Alias = "b" }, "", false},
		"another model":           {func(_ *rig, k *keeper, _ *chat.Request) { k.kept[0].fits = false }, "", false},
		"another gateway's word":  {func(r *rig, k *keeper, _ *chat.Request) { r.relay.GiveUp([]string{"?", k.kept[0].call}) }, "", false},
		"its connection breaks":   {func(_ *rig, k *keeper, _ *chat.Request) { k.fails = upstream.Transport }, upstream.Interrupted, true},
		"it hangs":                {func(_ *rig, k *keeper, _ *chat.Request) { k.fails = upstream.Broken }, upstream.Interrupted, true},
		"it is cut short":         {func(_ *rig, k *keeper, _ *chat.Request) { k.fails = upstream.Truncated }, upstream.Interrupted, true},
		"the token is at a limit": {func(_ *rig, k *keeper, _ *chat.Request) { k.fails = upstream.RateLimit }, upstream.RateLimit, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, driver := keptRig(4)
			r.chat(t.Context(), t, whole)
			request := after(driver.kept[0].call)
			test.change(r, driver, request)
			got := r.chatWith(t.Context(), t, request, whole)
			if got.err != nil {
				t.Fatal(got.err)
			}
			if resumed := driver.calls[1].Resume != nil; resumed != test.resume {
				t.Errorf("resumed: %t", resumed)
			}
			if last := driver.calls[len(driver.calls)-1]; last.Resume != nil || len(r.pool.granted) != 2 {
				t.Errorf("%d leases", len(r.pool.granted))
			}
			select {
			case <-driver.kept[0].done:
			case <-time.After(time.Minute):
				t.Fatal("the answer is still kept open")
			}
			r.relay.Close()
			classes, err := r.pool.classes()
			if err != nil || classes[0] != test.class {
				t.Error(classes, err)
			}
		})
	}
}

// A failure after the first word is the answer's.
func TestAnAnswerThatBreaksOffLater(t *testing.T) {
	t.Parallel()
	r, driver := keptRig(4)
	r.chat(t.Context(), t, whole)
	driver.fails, driver.late = upstream.Transport, true
	if got := r.chatWith(t.Context(), t, after(driver.kept[0].call), whole); got.err == nil || got.err.Kind != chat.UpstreamUnavailable {
		t.Error(got.err)
	}
	if classes, err := r.pool.classes(); err != nil || !slices.Equal(classes, []upstream.Class{upstream.Transport}) {
		t.Error(classes, err)
	}
}

// A client that hangs up has nothing kept for it.
func TestAKeptAnswerThatNobodyReads(t *testing.T) {
	t.Parallel()
	r, driver := keptRig(4)
	r.chat(t.Context(), t, 0)
	if classes, err := r.pool.classes(); err != nil || !slices.Equal(classes, []upstream.Class{upstream.ClientGone}) || !isClosed(driver.kept[0].done) {
		t.Error(classes, err)
	}
	if len(r.relay.lot.parked) != 0 {
		t.Error("it is kept")
	}
}

// Whatever ends an answer by itself ends its lease.
func TestAKeptAnswerThatEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*rig, *keeper){
		"the upstream has ended it": func(_ *rig, k *keeper) { k.kept[0].Close() },
		"its token has changed":     func(r *rig, _ *keeper) { r.pool.granted[0].Term.Withdraw() },
		"its lease is lost":         func(r *rig, _ *keeper) { r.pool.granted[0].Term.Extend(time.Time{}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, driver := keptRig(4)
				r.pool.acquire = func(context.Context, lease.Demand) (*lease.Lease, error) {
					held := &lease.Lease{TokenID: "a", Term: &lease.Term{}}
					held.Term.Extend(time.Now().Add(time.Hour))
					r.pool.granted = append(r.pool.granted, held)
					return held, nil
				}
				r.chat(t.Context(), t, whole)
				end(r, driver)
				time.Sleep(2 * lookEvery)
				synctest.Wait()
				if classes, err := r.pool.classes(); err != nil || classes[0] != "" || !isClosed(driver.kept[0].done) {
					t.Error(classes, err)
				}
				r.relay.Close()
			})
		})
	}
}

// As many of a token are kept as its upstream's settings say; the rest end as ever.
func TestHowManyAreKept(t *testing.T) {
	t.Parallel()
	r, driver := keptRig(2)
	for range 5 {
		r.chat(t.Context(), t, whole)
	}
	if len(driver.kept) != 2 || r.open() != 2 {
		t.Errorf("%d are kept, %d open", len(driver.kept), r.open())
	}
	r.relay.Close()
	off, driver := keptRig(0)
	if off.chat(t.Context(), t, whole); driver.calls[0].Keep != nil || off.open() != 0 {
		t.Error("one is kept that need not be")
	}
	many, driver := keptRig(1 << 10)
	for range maxParked + 1 {
		many.chat(t.Context(), t, whole)
	}
	if len(driver.kept) != maxParked {
		t.Errorf("%d are kept", len(driver.kept))
	}
	many.relay.Close()
}

// Results for calls that nobody here has made are told once, and there is a bound on how many.
func TestStrays(t *testing.T) {
	t.Parallel()
	r, driver := keptRig(4)
	told := 0
	r.relay.lot.strayed = func() { told++ }
	request := after(upstream.MarkKept("x"))
	request.Messages[2].Parts = append(request.Messages[2].Parts, chat.Part{Result: &chat.Result{CallID: upstream.MarkKept("y")}})
	r.chatWith(t.Context(), t, request, whole)
	r.chatWith(t.Context(), t, after("call_1"), whole)
	if got := r.relay.Strays(64); told != 1 || !slices.Equal(got, []string{"call_kx"}) || len(r.relay.Strays(64)) != 0 {
		t.Errorf("told %d times of %q", told, got)
	}
	for i := range 2 * maxStrays {
		r.relay.lot.lookUp([]string{fmt.Sprint(i)})
	}
	if got := r.relay.Strays(64); len(got) != 64 || got[0] != "0" || len(r.relay.Strays(1<<10)) != maxStrays-64 {
		t.Error("there is no bound, or no order")
	}
	_ = driver
	r.relay.Close()
}

// A client may send its results before this side has done with the answer.
func TestAResultThatIsFast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, driver := keptRig(4)
		r.relay.Recorder, r.relay.Counter = nobody{}, nobody{} // the two requests end at once
		var second sync.WaitGroup
		first := true
		driver.during = func(call string) {
			if !first {
				return
			}
			first = false
			second.Go(func() { r.chatWith(t.Context(), t, after(call), whole) })
			time.Sleep(almostHere / 2)
		}
		r.chat(t.Context(), t, whole)
		second.Wait()
		if len(r.pool.granted) != 1 || driver.calls[1].Resume == nil {
			t.Error("the answer did not go on")
		}
		r.relay.Close()
	})
}

// nobody takes what the relay tells.
type nobody struct{}

func (nobody) Record(context.Context, reqlog.Entry) {}
func (nobody) Attempt(string, upstream.Class)       {}
func (nobody) Retried(string)                       {}
func (nobody) RetryDenied(string)                   {}
func (nobody) FellBack(string)                      {}
func (nobody) Ignored(string, string)               {}
func (nobody) Ended(string, *reqlog.Entry)          {}

// However requests, words of other gateways, ends and failures follow each other, each lease is
// settled once, and nothing is left open.
func TestEveryKeptLeaseIsSettledOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, driver := keptRig(rapid.IntRange(1, 4).Draw(t, "per token"))
		var mu sync.Mutex // of the pool, which watchers settle with too
		r.relay.lot.leases = locked{&mu, r.pool}
		r.relay.Leases = r.relay.lot.leases
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			some := func() *fakeKept {
				if len(driver.kept) == 0 {
					return &fakeKept{call: "call_k", done: make(chan struct{})}
				}
				return rapid.SampledFrom(driver.kept).Draw(t, "which")
			}
			driver.fails = rapid.SampledFrom([]upstream.Class{"", "", upstream.Transport, upstream.Quota}).Draw(t, "fails")
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				r.chatWith(context.Background(), t, newRequest(), rapid.IntRange(whole, 0).Draw(t, "until"))
			case 1, 2:
				r.chatWith(context.Background(), t, after(some().call), rapid.IntRange(whole, 0).Draw(t, "until"))
			case 3:
				some().Close()
			case 4:
				some().fits = false
			case 5:
				r.relay.GiveUp([]string{some().call})
			}
		}
		r.relay.Close()
		if _, err := r.pool.classes(); err != nil {
			t.Fatal(err)
		}
		for i, kept := range driver.kept {
			resumed := slices.ContainsFunc(driver.calls, func(c *upstream.Call) bool { return c.Resume == upstream.Kept(kept) })
			if !resumed && !isClosed(kept.done) {
				t.Fatalf("answer %d is left open", i)
			}
		}
		if len(r.relay.lot.parked) != 0 || len(r.relay.lot.byCall) != 0 {
			t.Fatal("something is left in the lot")
		}
	})
}

// locked is a Leases for several goroutines.
type locked struct {
	mu *sync.Mutex
	Leases
}

func (l locked) Acquire(ctx context.Context, demand lease.Demand) (*lease.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Leases.Acquire(ctx, demand)
}

func (l locked) Settle(done *lease.Lease, outcome lease.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Leases.Settle(done, outcome)
}
