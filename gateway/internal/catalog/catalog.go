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

// Borrow lends a credential for one call to the upstream; release gives it back
// with the call's error.
type Borrow func(ctx context.Context, upstreamName string) (credential upstream.Credential, release func(error), err error)

// Target is where a request goes.
type Target struct {
	Upstream string
	// Provider is who it is, as far as its driver tells: the driver's name.
	Provider string
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
	// listed is told what upstreams list; nil: nobody is.
	listed func(byUpstream map[string][]chat.Model)
	// silent says why upstreams have not told their models when they were last asked. Nobody
	// changes the map.
	silent atomic.Pointer[map[string]error]
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
	c.become(after)
	for name, old := range before.byName {
		if kept := after.byName[name]; kept == nil || kept.driver != old.driver {
			old.driver.Close()
		}
	}
	c.askSoon()
}

// OnListed has listed told which models each upstream lists, whenever that may have changed. It
// must not block. It is to be called before Update.
func (c *Catalog) OnListed(listed func(byUpstream map[string][]chat.Model)) { c.listed = listed }

// become makes a state the present one; mu is held.
func (c *Catalog) become(now *state) {
	c.now.Store(now)
	if c.listed == nil {
		return
	}
	byUpstream := make(map[string][]chat.Model, len(now.entries))
	for _, e := range now.entries {
		byUpstream[e.config.Name] = e.models
	}
	c.listed(byUpstream)
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

func (e *entry) target(model string) Target {
	return Target{Upstream: e.config.Name, Provider: e.config.Driver, Driver: e.driver, Model: model, Listed: e.lists(model), Discipline: e.discipline}
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
