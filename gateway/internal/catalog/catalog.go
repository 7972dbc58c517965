// Package catalog knows which upstreams there are, keeps a driver for each, and
// says which of them serves a model. It is told of every change of the
// configuration; requests that run keep the driver they began with. It knows no
// token and no dialect.
package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
)

const (
	// refreshEvery is how often upstreams are asked for their models.
	refreshEvery = 5 * time.Minute
	// retryFirst is how soon an upstream that did not answer is asked again: an
	// admin who has just given it a token is waiting for its models. The pause
	// doubles up to retryMost, because each question may be blamed on a token.
	retryFirst = 5 * time.Second
	retryMost  = time.Minute
	// askTimeout bounds one such question.
	askTimeout = 10 * time.Second
)

// Borrow lends a credential for one call to the upstream; release gives it back
// with the call's error.
type Borrow func(ctx context.Context, upstreamName string) (credential upstream.Credential, release func(error), err error)

// Target is where a request goes.
type Target struct {
	Upstream string
	Driver   upstream.Driver
	// Model is the id that the upstream knows.
	Model string
	// Listed tells that the upstream itself lists the model.
	Listed bool
	// Discipline is the upstream's; nobody changes it.
	Discipline *Discipline
}

// Catalog is safe for concurrent use.
type Catalog struct {
	constructors map[string]upstream.Constructor
	borrow       Borrow
	log          *slog.Logger
	kick         chan struct{}

	// mu serializes changes; readers take now.
	mu  sync.Mutex
	now atomic.Pointer[state]
	// stocked are the upstreams that have tokens; nil: nobody has told yet. Nobody
	// changes the map.
	stocked atomic.Pointer[map[string]bool]
}

// state is one configuration; nobody changes it.
type state struct {
	// entries are in order of their names, `cursor` first: it is the default.
	entries []*entry
	byName  map[string]*entry
	byModel map[string][]*entry
	routes  routes
	// models has every name once: those of routes, then models in order of the entries.
	models []chat.Model
	// untold: no configuration has come yet.
	untold bool
}

type entry struct {
	config     upstream.Config
	driver     upstream.Driver
	discipline *Discipline
	// models are those that are listed, told those of the upstream's last answer.
	models, told []chat.Model
	// asked is when the upstream last answered what its models are.
	asked time.Time
}

// New makes an empty catalog. constructors are by driver name.
func New(constructors map[string]upstream.Constructor, borrow Borrow, log *slog.Logger) *Catalog {
	c := &Catalog{constructors: constructors, borrow: borrow, log: log, kick: make(chan struct{}, 1)}
	c.now.Store(&state{untold: true})
	return c
}

// Validate tells why a config can't work.
func (c *Catalog) Validate(config upstream.Config) error {
	built, err := c.build(config)
	if err != nil {
		return err
	}
	built.driver.Close()
	return nil
}

// Probe asks an upstream with this config what it serves, without a token, and returns
// how many models that are. An error that is no *upstream.Failure says why nothing was
// asked.
func (c *Catalog) Probe(ctx context.Context, config upstream.Config) (int, error) {
	built, err := c.build(config)
	if err != nil {
		return 0, err
	}
	defer built.driver.Close()
	if _, builtIn := built.driver.(upstream.BuiltIn); builtIn {
		return 0, upstream.ErrNotAsked
	}
	models, err := built.driver.Models(ctx, upstream.Credential{})
	return len(models), err
}

// CheckProxy finds out whether a proxy leads to where an upstream with this config is. An
// error is fit for an admin, and shows no password.
func (c *Catalog) CheckProxy(ctx context.Context, config upstream.Config, proxy secret.Value) error {
	built, err := c.build(config)
	if err != nil {
		return err
	}
	defer built.driver.Close()
	if checker, can := built.driver.(upstream.ProxyChecker); can {
		return checker.CheckProxy(ctx, proxy)
	}
	return nil
}

// build makes what the catalog keeps of a config; the error tells all that is wrong.
func (c *Catalog) build(config upstream.Config) (*entry, error) {
	construct, known := c.constructors[config.Driver]
	if !known {
		names := slices.Sorted(maps.Keys(c.constructors))
		return nil, fmt.Errorf("driver: %q is not one of %s", config.Driver, strings.Join(names, ", "))
	}
	theDrivers := config
	discipline, badDiscipline := discipline(&theDrivers)
	driver, badDriver := construct(theDrivers)
	if err := errors.Join(badDriver, badDiscipline); err != nil {
		if badDriver == nil {
			driver.Close()
		}
		return nil, err
	}
	return &entry{config: config, driver: driver, discipline: discipline, models: listing(config, driver, nil)}, nil
}

// Update makes configs and ways the configuration. Unchanged upstreams keep their driver and
// its connections; one whose new configuration can't work keeps all that it had. Unchanged
// routes keep whose turn it is.
func (c *Catalog) Update(configs []upstream.Config, ways []Route) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.now.Load()
	var entries []*entry
	for _, config := range configs {
		if old := before.byName[config.Name]; old != nil && reflect.DeepEqual(old.config, config) {
			entries = append(entries, old)
			continue
		}
		built, err := c.build(config)
		switch {
		case err == nil:
			entries = append(entries, built)
		case before.byName[config.Name] != nil:
			c.log.LogAttrs(context.Background(), slog.LevelError, "upstream's new configuration can't be used; the one before holds",
				slog.String("upstream", config.Name), slog.Any("error", err))
			entries = append(entries, before.byName[config.Name])
		default:
			c.log.LogAttrs(context.Background(), slog.LevelError, "upstream can't be used", slog.String("upstream", config.Name), slog.Any("error", err))
		}
	}
	after := newState(entries, newRoutes(ways, before.routes))
	c.now.Store(after)
	for name, old := range before.byName {
		if kept := after.byName[name]; kept == nil || kept.driver != old.driver {
			old.driver.Close()
		}
	}
	c.askSoon()
}

// SetStocked tells which upstreams have tokens. It holds until the next time. One that
// has them now and had none is asked for its models at once.
func (c *Catalog) SetStocked(upstreams []string) {
	stocked := make(map[string]bool, len(upstreams))
	for _, name := range upstreams {
		stocked[name] = true
	}
	before := c.stocked.Swap(&stocked)
	for name := range stocked {
		if before != nil && !(*before)[name] {
			c.askSoon()
			return
		}
	}
}

// askSoon has Run ask the upstreams that are due.
func (c *Catalog) askSoon() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// hasTokens tells whether the upstream has tokens, as far as anybody has told.
func (c *Catalog) hasTokens(e *entry) bool {
	stocked := c.stocked.Load()
	return stocked == nil || (*stocked)[e.config.Name]
}

// listing is what is listed of an upstream: what an admin has configured, else what its driver
// knows and what it has told.
func listing(config upstream.Config, driver upstream.Driver, told []chat.Model) []chat.Model {
	var known []chat.Model
	if builtIn, ok := driver.(upstream.BuiltIn); ok {
		known = builtIn.BuiltInModels()
	}
	byID := make(map[string]chat.Model, len(known)+len(told)) // an upstream may tell very many
	for _, model := range known {
		byID[model.ID] = model
	}
	for _, model := range told {
		if _, twice := byID[model.ID]; !twice {
			byID[model.ID], known = model, append(known, model)
		}
	}
	if len(config.Models) == 0 {
		return known
	}
	models := make([]chat.Model, len(config.Models))
	for i, id := range config.Models {
		model, isKnown := byID[id]
		if !isKnown {
			model = chat.Model{ID: id, OwnedBy: config.Name, Created: chat.UntoldCreated}
		}
		models[i] = model
	}
	return models
}

// defaultUpstream comes first, in lists and where several list a model.
const defaultUpstream = "cursor"

func newState(entries []*entry, ways routes) *state {
	slices.SortFunc(entries, func(a, b *entry) int {
		return cmp.Or(
			-cmp.Compare(btoi(a.config.Name == defaultUpstream), btoi(b.config.Name == defaultUpstream)),
			strings.Compare(a.config.Name, b.config.Name))
	})
	s := &state{entries: entries, byName: map[string]*entry{}, byModel: map[string][]*entry{}, routes: ways}
	for _, e := range entries {
		s.byName[e.config.Name] = e
		for _, model := range e.models {
			s.byModel[model.ID] = append(s.byModel[model.ID], e)
		}
	}
	s.models = s.list(func(*entry) bool { return true })
	return s
}

// list is every name once that leads to an upstream which will do: those of routes, then
// models in order of the entries.
func (s *state) list(does func(*entry) bool) []chat.Model {
	models := s.aliases(does)
	seen := make(map[string]bool, len(s.byModel))
	for _, model := range models {
		seen[model.ID] = true
	}
	for _, e := range s.entries {
		if !does(e) {
			continue
		}
		for _, model := range e.models {
			if !seen[model.ID] {
				seen[model.ID] = true
				models = append(models, model)
			}
		}
	}
	return models
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Wish is what a request wants of its upstream.
type Wish struct {
	Model string
	// AnyClaude lets ids that begin with `claude` go to a Cursor upstream even if nobody
	// lists them.
	AnyClaude bool
	// OwnToken: the caller brings a token, which not every driver takes.
	OwnToken bool
	// Request is what the upstream should be able to carry; nil: anything.
	Request *chat.Request
	// Endpoint is the side endpoint that the request is for, such as `embeddings`; empty: it
	// is a chat. Its model may be left out.
	Endpoint string
	// Upstream is the only one that may serve; empty: any may.
	Upstream string
	// Key is the same for requests that are to stay at one target, while it can serve; empty:
	// targets take turns.
	Key string
	// Open is where an answer is kept open that the request goes on with: of a route's targets
	// that comes first, if it can serve. Zero: there is none.
	Open Place
	// Look tells that nothing will be sent: whose turn it is stays.
	Look bool
}

// Place is a model of an upstream, by the upstream's own id.
type Place struct{ Upstream, Model string }

// Resolve plans where a request goes: by the route for the name, else to the upstream that it
// names as `upstream/model`, else of those that list the model to the one that fits the wish
// best. Errors are *chat.Error; ModelNotSupported where nobody serves it.
func (c *Catalog) Resolve(wish Wish) (Plan, error) { return c.resolve(c.now.Load(), wish) }

func (c *Catalog) resolve(s *state, wish Wish) (Plan, error) {
	if s.untold {
		return Plan{}, &chat.Error{
			Kind: chat.StoreUnavailable, Message: "the tokenstore has not told the upstreams yet", RetryAfter: time.Second,
		}
	}
	r, stood := s.routeOf(wish.Model)
	switch {
	case wish.Upstream != "":
		return c.pinned(s, r, stood, wish)
	case r != nil:
		return c.along(s, r, stood, wish)
	}
	target, err := c.resolvePlain(s, wish)
	return Plan{First: target}, err
}

// resolvePlain finds the upstream for a name that no route is for.
func (c *Catalog) resolvePlain(s *state, wish Wish) (Target, error) {
	if wish.Endpoint != "" {
		return c.resolveEndpoint(s, wish)
	}
	model := wish.Model
	if e, rest := s.named(model); e != nil {
		return e.target(rest), nil
	}
	if e := c.best(s.byModel[model], wish); e != nil {
		return e.target(model), nil
	}
	if len(model) > maxModelID {
		return Target{}, tooLong(model)
	}
	if wish.AnyClaude && strings.HasPrefix(model, "claude") {
		if e := c.best(s.ofDriver("cursor"), wish); e != nil {
			return e.target(model), nil
		}
	}
	return Target{}, unknown(model)
}

func tooLong(model string) *chat.Error {
	return &chat.Error{
		Kind: chat.ModelNotSupported, Param: "model",
		Message: fmt.Sprintf("Model '%s' is not supported: its name has more than %d bytes", shorten(model), maxModelID),
	}
}

func unknown(model string) *chat.Error {
	return &chat.Error{
		Kind: chat.ModelNotSupported, Param: "model",
		Message: fmt.Sprintf("Model '%s' is not supported; GET /v1/models lists those that are", shorten(model)),
	}
}

// best is the entry that fits a wish best, of equals the first; nil where there is none.
func (c *Catalog) best(entries []*entry, wish Wish) *entry {
	var best *entry
	highest := -1
	for _, e := range entries {
		if fit := c.fit(e, wish); fit > highest {
			best, highest = e, fit
		}
	}
	return best
}

// fit says how well an upstream fits: the more, the better. That there is a token counts
// more than what can be carried: it is said at once what can't. Of those that can, one that
// speaks the client's dialect comes first: nothing is lost on the way to it.
func (c *Catalog) fit(e *entry, wish Wish) int {
	fit := 0
	if c.hasTokensFor(e, wish) {
		fit += 4
	}
	if wish.Request == nil {
		return fit
	}
	if e.carries(wish.Request) {
		fit += 2
	}
	if upstream.TakesAsItCame(e.driver, wish.Request) {
		fit++
	}
	return fit
}

// chances are an upstream's to serve a request, and why it takes no token for it, where that is
// not for its tokens to tell. What it can't carry, Unfit puts into words.
func (c *Catalog) chances(e *entry, wish Wish) (how chances, why string) {
	switch {
	case wish.Request != nil && !e.carries(wish.Request):
		return unfit, ""
	case c.hasTokensFor(e, wish):
		return able, ""
	case wish.OwnToken:
		return poor, "it takes no tokens of callers"
	}
	return poor, ""
}

// hasTokensFor tells whether there is a token for a request.
func (c *Catalog) hasTokensFor(e *entry, wish Wish) bool {
	if wish.OwnToken {
		_, takes := e.driver.(upstream.OwnTokens)
		return takes
	}
	return c.hasTokens(e)
}

// carries tells whether an upstream can be sent a request.
func (e *entry) carries(request *chat.Request) bool {
	if upstream.TakesAsItCame(e.driver, request) {
		return true // it judges by itself
	}
	_, lacks := upstream.Uncarried(e.driver, request)
	return !lacks && request.HistoryFault == nil
}

// Unfit says why a target can't be sent a request; nil: it can.
func Unfit(target Target, request *chat.Request) *chat.Error {
	if upstream.TakesAsItCame(target.Driver, request) {
		return nil // it judges by itself
	}
	if request.HistoryFault != nil {
		return request.HistoryFault
	}
	if ask, lacks := upstream.Uncarried(target.Driver, request); lacks {
		return upstream.Unsupported(target.Upstream, ask)
	}
	return nil
}

func (s *state) ofDriver(name string) []*entry {
	var entries []*entry
	for _, e := range s.entries {
		if e.config.Driver == name {
			entries = append(entries, e)
		}
	}
	return entries
}

func (e *entry) target(model string) Target {
	return Target{Upstream: e.config.Name, Driver: e.driver, Model: model, Listed: e.lists(model), Discipline: e.discipline}
}

// lists tells whether the upstream itself has said that it has the model.
func (e *entry) lists(model string) bool {
	return slices.ContainsFunc(e.told, func(m chat.Model) bool { return m.ID == model })
}

// Current answers a target with the upstream's configuration of now: it may have
// been changed since. That of an upstream that is gone stays as it was.
func (c *Catalog) Current(target Target) Target {
	if e := c.now.Load().byName[target.Upstream]; e != nil {
		return e.target(target.Model)
	}
	return target
}

func shorten(id string) string {
	const most = 100
	if len(id) <= most {
		return id
	}
	return strings.ToValidUTF8(id[:most], "") + "…"
}

// Driver answers an upstream's driver; false where there is no such upstream.
func (c *Catalog) Driver(upstreamName string) (upstream.Driver, bool) {
	e := c.now.Load().byName[upstreamName]
	if e == nil {
		return nil, false
	}
	return e.driver, true
}

// Models lists every name once that clients may use: those of routes, then models in the order
// of the upstreams. Nobody changes the list.
func (c *Catalog) Models() []chat.Model { return c.now.Load().models }

// Servable lists the names that lead to an upstream which has tokens, as Models does.
func (c *Catalog) Servable() []chat.Model { return c.now.Load().list(c.hasTokens) }

// Run asks upstreams for their models, until ctx ends.
func (c *Catalog) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var silent map[*entry]bool
	retry := retryFirst
	for {
		select {
		case <-ctx.Done():
			for _, e := range c.now.Load().entries {
				e.driver.Close()
			}
			return
		case <-c.kick:
			retry = retryFirst
		case <-timer.C:
		}
		silent = c.refresh(ctx, silent)
		if len(silent) == 0 {
			retry = retryFirst
			timer.Reset(refreshEvery)
			continue
		}
		timer.Reset(retry)
		retry = min(2*retry, retryMost)
	}
}

// refresh asks the upstreams that are due, all at once. It answers those that
// did not answer, and logs them unless they were silent before.
func (c *Catalog) refresh(ctx context.Context, before map[*entry]bool) (silent map[*entry]bool) {
	var due []*entry
	for _, e := range c.now.Load().entries {
		if e.due() && c.hasTokens(e) {
			due = append(due, e)
		}
	}
	errs := make([]error, len(due))
	var asking sync.WaitGroup
	for i, e := range due {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			errs[i] = c.learn(ctx, e)
		})
	}
	asking.Wait()
	if ctx.Err() != nil {
		return nil
	}
	silent = map[*entry]bool{}
	for i, e := range due {
		if errs[i] == nil {
			continue
		}
		silent[e] = true
		if !before[e] {
			c.log.LogAttrs(ctx, slog.LevelWarn, "upstream does not tell its models", slog.String("upstream", e.config.Name), slog.Any("error", errs[i]))
		}
	}
	return silent
}

// due tells whether the upstream should be asked for its models.
func (e *entry) due() bool { return e.isAsked() && time.Since(e.asked) >= refreshEvery }

// isAsked tells whether anybody goes by what the upstream tells: the list, or the driver.
func (e *entry) isAsked() bool {
	if builtIn, ok := e.driver.(upstream.BuiltIn); ok {
		return builtIn.AsksModels()
	}
	return len(e.config.Models) == 0
}

// learn asks one upstream and puts what it answers into the catalog.
func (c *Catalog) learn(ctx context.Context, e *entry) error {
	told, err := c.ask(ctx, e)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now.Load()
	entries := slices.Clone(now.entries)
	if at := slices.Index(entries, e); at >= 0 { // else it was replaced meanwhile
		entries[at] = &entry{
			config: e.config, driver: e.driver, discipline: e.discipline,
			models: listing(e.config, e.driver, told), told: told, asked: time.Now(),
		}
		c.now.Store(newState(entries, now.routes))
	}
	return nil
}

func (c *Catalog) ask(ctx context.Context, e *entry) ([]chat.Model, error) {
	credential, release, err := c.borrow(ctx, e.config.Name)
	if err != nil {
		return nil, err
	}
	models, err := e.driver.Models(ctx, credential)
	release(err)
	if err != nil {
		return nil, err
	}
	if len(models) == 0 {
		return nil, errors.New("it lists none")
	}
	for i := range models {
		models[i].OwnedBy = cmp.Or(models[i].OwnedBy, e.config.Name)
		models[i].Created = cmp.Or(models[i].Created, chat.UntoldCreated)
	}
	return models, nil
}
