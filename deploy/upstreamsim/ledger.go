package upstreamsim

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a ledger. What comes after them is counted under otherName, and of the
// lists the newest entries are kept.
const (
	maxTokens  = 50_000
	maxModels  = 10_000
	maxEntries = 1_000
	otherName  = "other"
)

// Counts are the requests of one token, of one model, or all of them. Requests is
// always the sum of InFlight, Completed and Cancelled.
type Counts struct {
	Requests    int64 `json:"requests"`
	InFlight    int64 `json:"in_flight"`
	MaxInFlight int64 `json:"max_in_flight"`
	// Completed answers were sent to the end that their scenario has, which may be a
	// failure.
	Completed int64 `json:"completed"`
	// Cancelled requests lost their client before that.
	Cancelled int64 `json:"cancelled"`
	// Violations are the requests that broke an assertion.
	Violations int64 `json:"violations"`
}

// Violation is a request that broke assertions.
type Violation struct {
	At       time.Time `json:"at"`
	API      API       `json:"api"`
	Token    string    `json:"token"`
	Model    string    `json:"model"`
	Problems []string  `json:"problems"`
}

// Cancellation is a request whose client went away before the answer's end.
type Cancellation struct {
	At        time.Time `json:"at"`
	StartedAt time.Time `json:"started_at"`
	API       API       `json:"api"`
	Token     string    `json:"token"`
	Model     string    `json:"model"`
	Scenario  string    `json:"scenario"`
}

// Ledger is what the simulator has seen since its start or the last Reset. Tokens
// are keyed by Fingerprint.
type Ledger struct {
	Total  Counts            `json:"total"`
	Tokens map[string]Counts `json:"tokens"`
	Models map[string]Counts `json:"models"`
	// Lookups are the questions about accounts, by path. They count nowhere else.
	Lookups       map[string]int64 `json:"lookups"`
	Held          int64            `json:"held"`
	Violations    []Violation      `json:"violations"`
	Cancellations []Cancellation   `json:"cancellations"`
}

// Ledger answers a copy of the ledger.
func (s *Simulator) Ledger() Ledger {
	ledger := s.book.Load().snapshot()
	ledger.Held = s.gate.held.Load()
	return ledger
}

// Await answers the first ledger that fulfils the condition, or the last one and
// the context's error.
func (s *Simulator) Await(ctx context.Context, condition func(Ledger) bool) (Ledger, error) {
	s.watchers.count.Add(1)
	defer s.watchers.count.Add(-1)
	for {
		changed := s.watchers.changed()
		ledger := s.Ledger()
		if condition(ledger) {
			return ledger, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ledger, ctx.Err()
		}
	}
}

// counters are Counts in the making.
type counters struct {
	requests, inFlight, peak, completed, cancelled, violations atomic.Int64
}

func (c *counters) begin() {
	now := c.inFlight.Add(1)
	for peak := c.peak.Load(); now > peak && !c.peak.CompareAndSwap(peak, now); peak = c.peak.Load() {
	}
	c.requests.Add(1)
}

func (c *counters) end(cancelled bool) {
	c.inFlight.Add(-1)
	if cancelled {
		c.cancelled.Add(1)
	} else {
		c.completed.Add(1)
	}
}

// counts are those of one moment: in flight is what has begun and not ended.
func (c *counters) counts() Counts {
	for {
		now := Counts{
			Requests: c.requests.Load(), Completed: c.completed.Load(), Cancelled: c.cancelled.Load(),
			MaxInFlight: c.peak.Load(), Violations: c.violations.Load(),
		}
		if c.requests.Load() == now.Requests && c.completed.Load() == now.Completed && c.cancelled.Load() == now.Cancelled {
			now.InFlight = now.Requests - now.Completed - now.Cancelled
			return now
		}
	}
}

// book is one ledger in the making; Reset starts a new one.
type book struct {
	total  counters
	tokens bounded[*account]
	models bounded[*counters]
	// prompts is what Anthropic's organizations and OpenAI's tokens have in the cache.
	prompts promptCache
	// agent are the Runs of the agent side.
	agent *agentBook
	// responses are the answers that the Responses API keeps.
	responses responseStore

	mu             sync.Mutex
	responsesCalls []ResponsesRecord
	lookups        map[string]int64
	violations     []Violation
	cancellations  []Cancellation
}

func newBook() *book {
	return &book{
		tokens:  bounded[*account]{limit: maxTokens, create: newAccount},
		models:  bounded[*counters]{limit: maxModels, create: func(string) *counters { return new(counters) }},
		lookups: map[string]int64{},
		agent:   newAgentBook(),
	}
}

func (b *book) snapshot() Ledger {
	ledger := Ledger{Total: b.total.counts(), Tokens: map[string]Counts{}, Models: map[string]Counts{}}
	for _, account := range b.tokens.all() {
		ledger.Tokens[account.fingerprint] = account.counts()
	}
	for model, counters := range b.models.all() {
		ledger.Models[model] = counters.counts()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	ledger.Lookups = maps.Clone(b.lookups)
	ledger.Violations = append([]Violation{}, b.violations...)
	ledger.Cancellations = append([]Cancellation{}, b.cancellations...)
	return ledger
}

// keepNewest appends to a list of at most maxEntries.
func keepNewest[T any](list []T, entry T) []T {
	if len(list) == maxEntries {
		list = append(list[:0], list[1:]...)
	}
	return append(list, entry)
}

// bounded is a concurrent map that makes its values, and shares one value among
// all keys after the limit.
type bounded[V any] struct {
	limit  int
	create func(key string) V
	values sync.Map // string to V
	mu     sync.Mutex
	size   int
}

func (m *bounded[V]) get(key string) V {
	if value, ok := m.values.Load(key); ok {
		return value.(V)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.size >= m.limit {
		key = otherName
	}
	if value, ok := m.values.Load(key); ok {
		return value.(V)
	}
	value := m.create(key)
	m.values.Store(key, value)
	m.size++
	return value
}

func (m *bounded[V]) all() map[string]V {
	all := map[string]V{}
	m.values.Range(func(key, value any) bool {
		all[key.(string)] = value.(V)
		return true
	})
	return all
}

// entry is one request in the book. It ends once, as completed or as cancelled,
// and it is the handler's until watch, which must come after its last change.
type entry struct {
	sim      *Simulator
	book     *book
	account  *account
	model    *counters
	started  time.Time
	api      API
	modelID  string
	scenario string
	ended    atomic.Bool
	violated atomic.Bool // it is counted once, however many checks it breaks
	unwatch  func() bool
}

func (s *Simulator) beginEntry(api API, token string) *entry {
	b := s.book.Load()
	e := &entry{sim: s, book: b, account: b.tokens.get(token), api: api, started: s.options.Now()}
	b.total.begin()
	e.account.begin()
	s.watchers.notify()
	return e
}

// setModel counts the request for its model too.
func (e *entry) setModel(model string) {
	e.modelID = model
	e.model = e.book.models.get(model)
	e.model.begin()
	e.sim.watchers.notify()
}

// watch ends the entry as cancelled the moment the client is gone.
func (e *entry) watch(ctx context.Context) {
	e.unwatch = context.AfterFunc(ctx, e.cancel)
}

// complete ends the entry. Called before an answer's last write, because the
// client's next request may come before the handler is done.
func (e *entry) complete() { e.end(false) }

func (e *entry) cancel() { e.end(true) }

// close is for the end of the handler: an entry still open was cancelled if its
// client is gone, and completed if not.
func (e *entry) close(ctx context.Context) {
	if ctx.Err() != nil {
		e.cancel()
	} else {
		e.complete()
	}
	if e.unwatch != nil {
		e.unwatch()
	}
}

// end ends the entry, once. Who sees that one more is cancelled sees it in the list, too.
func (e *entry) end(cancelled bool) {
	if !e.ended.CompareAndSwap(false, true) {
		return
	}
	if cancelled {
		e.book.mu.Lock()
		e.book.cancellations = keepNewest(e.book.cancellations, Cancellation{
			At: e.sim.options.Now(), StartedAt: e.started, API: e.api,
			Token: e.account.fingerprint, Model: e.modelID, Scenario: e.scenario,
		})
		e.book.mu.Unlock()
	}
	if e.model != nil {
		e.model.end(cancelled)
	}
	e.account.end(cancelled)
	e.book.total.end(cancelled)
	e.sim.watchers.notify()
}

// violate notes broken assertions.
func (e *entry) violate(problems []string) {
	if e.violated.CompareAndSwap(false, true) {
		e.book.total.violations.Add(1)
		e.account.violations.Add(1)
		if e.model != nil {
			e.model.violations.Add(1)
		}
	}
	e.book.mu.Lock()
	e.book.violations = keepNewest(e.book.violations, Violation{
		At: e.sim.options.Now(), API: e.api, Token: e.account.fingerprint, Model: e.modelID, Problems: problems,
	})
	e.book.mu.Unlock()
	e.sim.watchers.notify()
}

// watchers wake those who wait for a change of the ledger; without any, a change
// costs one atomic read.
type watchers struct {
	count atomic.Int64
	mu    sync.Mutex
	wake  chan struct{}
}

func (w *watchers) changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wake == nil {
		w.wake = make(chan struct{})
	}
	return w.wake
}

func (w *watchers) notify() {
	if w.count.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wake != nil {
		close(w.wake)
		w.wake = nil
	}
}
