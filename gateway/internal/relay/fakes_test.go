package relay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"testing"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/lease"
	"carousel.internal/gateway/internal/money"
	"carousel.internal/gateway/internal/reqlog"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/leaktest"
	"carousel.internal/proto/service/secret"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// catalogFunc is a Catalog.
type catalogFunc func(wish catalog.Wish) (catalog.Target, error)

func (f catalogFunc) Resolve(wish catalog.Wish) (catalog.Plan, error) {
	target, err := f(wish)
	return catalog.InOrder(target), err
}

// Current answers what was resolved: nothing has changed.
func (f catalogFunc) Current(target catalog.Target) catalog.Target { return target }

// mended is a Catalog whose upstream has another driver by the time that a token is
// there.
type mended struct {
	catalogFunc
	driver upstream.Driver
}

func (m mended) Current(target catalog.Target) catalog.Target {
	target.Driver = m.driver
	return target
}

// driverFunc is a Driver that knows no models.
type driverFunc func(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error]

func (f driverFunc) Chat(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
	return f(ctx, call)
}

func (driverFunc) Models(context.Context, upstream.Credential) ([]chat.Model, error) { return nil, nil }
func (driverFunc) Close()                                                            {}

// pool is a Leases with one lease a token.
type pool struct {
	// full: no key has room for what is set aside without a lease.
	full bool
	// paid are what charges were settled with.
	paid    []lease.Amounts
	tokens  []string
	demands []lease.Demand
	granted []*lease.Lease
	settled map[*lease.Lease][]lease.Outcome
	// renewable: the tokens' secrets are access tokens.
	renewable bool
	// refusal is what a request gets that no token is left for.
	refusal *chat.Error
	// acquire replaces the usual answer, where it is set.
	acquire func(ctx context.Context, demand lease.Demand) (*lease.Lease, error)
}

func (p *pool) Acquire(ctx context.Context, demand lease.Demand) (*lease.Lease, error) {
	demand.Exclude = slices.Clone(demand.Exclude)
	p.demands = append(p.demands, demand)
	if demand.Charge != nil {
		demand.Charge.Held = true
	}
	if p.acquire != nil {
		return p.acquire(ctx, demand)
	}
	for _, token := range p.tokens {
		if slices.Contains(demand.Exclude, token) {
			continue
		}
		held := &lease.Lease{
			ID: fmt.Sprintf("lease %d", len(p.granted)), TokenID: token, Alias: "alias of " + token, Fingerprint: "f-" + token, MaskedSecret: "masked " + token,
			Credential: upstream.Credential{Secret: secret.New("secret of " + token), Renewable: p.renewable},
		}
		p.granted = append(p.granted, held)
		return held, nil
	}
	return nil, p.refusal
}

// SetAside implements Leases.
func (p *pool) SetAside(_ context.Context, charge *lease.Charge) bool {
	charge.Held = !p.full
	return charge.Held
}

// Pay implements Leases.
func (p *pool) Pay(charge *lease.Charge, used lease.Amounts) {
	if charge != nil && charge.Held {
		charge.Held = false
		p.paid = append(p.paid, used)
	}
}

func (p *pool) Settle(done *lease.Lease, outcome lease.Outcome) {
	p.settled[done] = append(p.settled[done], outcome)
}

// classes are the outcomes of the leases, in order; an error unless each was
// settled once.
func (p *pool) classes() ([]upstream.Class, error) {
	var classes []upstream.Class
	for _, held := range p.granted {
		if n := len(p.settled[held]); n != 1 {
			return nil, fmt.Errorf("%s was settled %d times", held.ID, n)
		}
		classes = append(classes, p.settled[held][0].Class)
	}
	if len(p.settled) != len(p.granted) {
		return nil, errors.New("a lease was settled that nobody had")
	}
	return classes, nil
}

// dear are prices of a pico-dollar for each token in, and of ten for each token out. The model
// `inner dearer` costs twice as much; `inner small` can answer with 100 tokens.
type dear struct{}

func (dear) Cost(_, model string, usage chat.Usage) (money.Pico, reqlog.CostQuality) {
	return dear{}.Most("", model, usage.Prompt, usage.Completion), reqlog.CostReported
}

func (dear) Most(_, model string, prompt, completion int) money.Pico {
	price := money.Pico(prompt + 10*completion)
	if model == "inner dearer" {
		price *= 2
	}
	return price
}

func (dear) MaxOutput(_, model string) int {
	if model == "inner small" {
		return 100
	}
	return 0
}

type recorder struct{ entries []reqlog.Entry }

func (r *recorder) Record(_ context.Context, entry reqlog.Entry) {
	r.entries = append(r.entries, entry)
}

type counter struct {
	attempts          []upstream.Class
	retries           int
	denied, fallbacks int
	ignored           []string
	ended             []string // upstream/model
	used              []chat.Usage
	cost              money.Pico
}

func (c *counter) Attempt(_ string, class upstream.Class) { c.attempts = append(c.attempts, class) }
func (c *counter) Retried(string)                         { c.retries++ }
func (c *counter) RetryDenied(string)                     { c.denied++ }
func (c *counter) FellBack(string)                        { c.fallbacks++ }
func (c *counter) Ignored(_, field string)                { c.ignored = append(c.ignored, field) }
func (c *counter) Ended(model string, entry *reqlog.Entry) {
	c.ended = append(c.ended, entry.Upstream+"/"+model)
	c.used, c.cost = append(c.used, entry.Usage), c.cost.Plus(entry.Cost)
}

// rig is a relay among fakes.
type rig struct {
	relay  *Relay
	pool   *pool
	log    *recorder
	count  *counter
	policy Policy
	caller caller.Caller
	choice lease.Choice
	calls  []*upstream.Call
}

// discipline is an upstream's without settings.
var discipline = &catalog.Discipline{RetryPercent: 20}

// newRig makes a relay with three tokens, whose upstream answers by driver.
func newRig(driver driverFunc) *rig {
	r := &rig{
		pool: &pool{
			tokens: []string{"a", "b", "c"}, settled: map[*lease.Lease][]lease.Outcome{},
			refusal: &chat.Error{Kind: chat.NoTokenAvailable, Message: "no token is free", RetryAfter: 7 * time.Second},
		},
		log: &recorder{}, count: &counter{},
		policy: Policy{MaxAttempts: 3, HoldBack: true, QueueWait: time.Second},
	}
	noted := driverFunc(func(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
		r.calls = append(r.calls, call)
		return driver(ctx, call)
	})
	r.relay = New(Params{
		Catalog: catalogFunc(func(wish catalog.Wish) (catalog.Target, error) {
			if wish.Model == "unknown" {
				return catalog.Target{}, chat.Errorf(chat.ModelNotSupported, "no such model")
			}
			return catalog.Target{Upstream: "up", Driver: noted, Model: "inner " + wish.Model, Discipline: discipline}, nil
		}),
		Leases: r.pool, Prices: dear{}, Recorder: r.log, Counter: r.count, Policy: func() Policy { return r.policy },
		StatusOf: func(string, *chat.Error) int { return 555 }, Replicas: func() int { return 1 }, Logger: slog.New(slog.DiscardHandler),
	})
	return r
}

// newRequest is a request with a prompt.
func newRequest() *chat.Request {
	return &chat.Request{
		ID: "request", Created: time.Now(), Model: "m", Stream: true,
		Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Text: "hello there"}}}},
	}
}

// answer is what a caller of Chat got.
type answer struct {
	events []chat.Event
	err    *chat.Error
}

func (a answer) text() string {
	text := ""
	for _, event := range a.events {
		text += event.Text
	}
	return text
}

// failer is a test of testing or of rapid.
type failer interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// chat collects the answer; the caller hangs up on the event at index until,
// where that is not negative. Bytes that a driver owns are copied as they come.
func (r *rig) chat(ctx context.Context, t failer, until int) answer {
	return r.chatWith(ctx, t, newRequest(), until)
}

// chatWith is chat with a request of the test's own.
func (r *rig) chatWith(ctx context.Context, t failer, request *chat.Request, until int) answer {
	var got answer
	for event, err := range r.relay.Chat(ctx, request, r.caller, r.choice) {
		if got.err != nil {
			t.Fatal("an error was not the last")
		}
		if err != nil {
			var own *chat.Error
			if !errors.As(err, &own) {
				t.Fatalf("a foreign error: %v", err)
			}
			got.err = own
			continue
		}
		event.Raw.JSON = slices.Clone(event.Raw.JSON)
		got.events = append(got.events, event)
		if len(got.events)-1 == until {
			break
		}
	}
	return got
}

// whole is a caller that never hangs up.
const whole = -1

// script is an attempt's answer: events, then its end.
type script struct {
	events []chat.Event
	// err is nil when the iteration ends without an error.
	err error
}

// play answers the nth call by the nth script. Its raw bytes lie in one buffer
// that it uses again, as a driver may.
func play(scripts ...script) driverFunc {
	n := 0
	return func(context.Context, *upstream.Call) iter.Seq2[chat.Event, error] {
		now := scripts[n]
		n++
		return func(yield func(chat.Event, error) bool) {
			var buffer []byte
			for _, event := range now.events {
				if event.Raw.JSON != nil {
					buffer = append(buffer[:0], event.Raw.JSON...)
					event.Raw.JSON = buffer
				}
				if !yield(event, nil) {
					return
				}
				clear(buffer)
			}
			if now.err != nil {
				yield(chat.Event{}, now.err)
			}
		}
	}
}

var (
	begin = chat.Event{}
	stop  = chat.Event{Finish: chat.Stop}
	usage = chat.Event{Usage: &chat.Usage{Prompt: 3, Completion: 4, Source: chat.UsageReported}}
)

func say(text string) chat.Event { return chat.Event{Text: text} }

func good(events ...chat.Event) script { return script{events: append(events, stop, usage)} }

func bad(class upstream.Class, events ...chat.Event) script {
	return script{events, &upstream.Failure{Class: class, Message: "it said so"}}
}
