package foreign

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"carousel.internal/gateway/internal/provider"
	"carousel.internal/proto/service/secret"
)

// draft is a plan that readers add to.
type draft struct {
	plan Plan
	// file is the one that is read.
	file      string
	upstreams map[address]*Upstream
	tokens    map[account]string // where each stands
	names     NameSet
	aliases   NameSet
	routes    NameSet
	// ways are the targets of names that routes are made for in the end, in order.
	ways   map[string]*way
	inTurn []*way
}

// address is what makes two upstreams the same.
type address struct{ driver, base string }

// account is what makes two tokens the same.
type account struct {
	upstream *Upstream
	secret   string
}

// way is a name that leads to models of other names.
type way struct {
	file, at, match string
	targets         []Target
}

func newDraft() *draft {
	return &draft{upstreams: map[address]*Upstream{}, tokens: map[account]string{}, names: NameSet{}, aliases: NameSet{}, routes: NameSet{}, ways: map[string]*way{}}
}

// add adds an item. Notes say what of it is taken over in another form.
func (d *draft) add(item Item, notes ...string) {
	notes = slices.DeleteFunc(slices.Clone(notes), func(note string) bool { return note == "" })
	item.File, item.Name, item.Note = d.file, shown(item.Name), strings.Join(notes, "; ")
	if item.Verdict == "" {
		item.Verdict = Taken
		if len(notes) > 0 {
			item.Verdict = Changed
		}
	}
	if len(d.plan.Items) <= maxItems { // one more is refused, and needs no room
		d.plan.Items = append(d.plan.Items, item)
	}
}

// shown is a name as it may be shown: one line, and not too long.
func shown(name string) string {
	return cut(strings.Join(strings.Fields(strings.ToValidUTF8(name, "")), " "), maxName)
}

// leave adds what can't be taken over.
func (d *draft) leave(at, kind, name, why string, args ...any) {
	d.add(Item{At: at, Kind: kind, Name: name, Verdict: Left}, fmt.Sprintf(why, args...))
}

// upstream is the upstream at an address: the one that is in the plan, or a new one.
func (d *draft) upstream(at, name, driver, base string, notes ...string) *Upstream {
	if base = BaseURL(base); driver == anthropic {
		base = strings.TrimSuffix(base, "/v1") // its driver adds it
	}
	key := address{driver, base}
	if known, there := d.upstreams[key]; there {
		return known
	}
	if name == "" {
		name = hostName(base)
	}
	for _, each := range provider.Known { // it is called so on the pages, too
		if each.Driver == driver && each.URL == base {
			name = each.Name
		}
	}
	u := &Upstream{Name: d.names.Unique(upstreamName(name), MaxUpstream), Driver: driver, BaseURL: base}
	d.upstreams[key] = u
	d.add(Item{At: at, Kind: KindUpstream, Name: u.Name, Upstream: u}, notes...)
	return u
}

// token adds a token, unless the plan has it already.
func (d *draft) token(at string, t Token, notes ...string) {
	t.Weight = cmp.Or(t.Weight, 1)
	name := aliasOf(t.Alias)
	t.Alias = ""
	item := Item{At: at, Kind: KindToken, Name: name, Token: &t}
	if t.Secret.Empty() {
		d.leave(at, KindToken, name, "it has no key")
		return
	}
	key := account{t.Upstream, t.Secret.Reveal()}
	if first, known := d.tokens[key]; known {
		item.Verdict = Same
		d.add(item, "its key is that of "+first)
		return
	}
	d.tokens[key] = at
	if name != "" {
		t.Alias = d.aliases.Unique(name, maxAlias)
		item.Name = t.Alias
	}
	d.add(item, notes...)
}

// serves adds models to those of an upstream; none: it serves every model.
func (u *Upstream) serves(models ...string) {
	if len(models) == 0 {
		u.every = true
	}
	for _, model := range models {
		if model != "" && !slices.Contains(u.Models, model) {
			u.Models = append(u.Models, model)
		}
	}
}

// leads notes that a name leads to a model of an upstream.
func (d *draft) leads(at, match string, target Target) {
	w := d.ways[match]
	if w == nil {
		w = &way{file: d.file, at: at, match: match}
		d.ways[match], d.inTurn = w, append(d.inTurn, w)
	}
	target.Weight = min(max(target.Weight, 1), maxShare)
	for i, each := range w.targets {
		if each.Upstream == target.Upstream && each.Model == target.Model { // two accounts of one upstream: its tokens share the work
			w.targets[i].Priority = min(each.Priority, target.Priority)
			return
		}
	}
	w.targets = append(w.targets, target)
}

// Bounds of a route.
const (
	maxTargets  = 32
	maxMatch    = 200 // bytes
	maxPriority = 100
	maxShare    = 1000
)

// needless tells whether the name is found without a route: it is what its upstreams call the
// model, and no target comes before another.
func (w *way) needless() bool {
	for _, each := range w.targets {
		if each.Model != w.match || each.Priority != w.targets[0].Priority || each.Weight != w.targets[0].Weight {
			return false
		}
	}
	return true
}

// finish makes the routes, and the lists of models.
func (d *draft) finish() Plan {
	for _, w := range d.inTurn {
		if w.needless() {
			continue
		}
		d.file = w.file
		note := ""
		switch {
		case len(w.match) > maxMatch || strings.Count(w.match, "*") > 1 || strings.ContainsFunc(w.match, func(r rune) bool { return r <= ' ' }):
			d.leave(w.at, KindRoute, w.match, "a route is for a name of at most %d bytes without spaces, with at most one `*`", maxMatch)
			continue
		case w.match == "*":
			d.leave(w.at, KindRoute, w.match, "a route for every name would hide what upstreams list; models are found by their lists")
			continue
		case len(w.targets) > maxTargets:
			w.targets = w.targets[:maxTargets]
			note = fmt.Sprintf("only the first %d targets", maxTargets)
		}
		name := d.routes.Unique(routeName(w.match), MaxRoute)
		d.add(Item{At: w.at, Kind: KindRoute, Name: w.match, Route: &Route{Name: name, Match: w.match, Targets: w.targets}}, note)
	}
	for _, u := range d.upstreams {
		if u.every {
			u.Models = nil
		}
	}
	return d.plan
}

// proxyOf is a proxy as tokens have them, and what is to be said of it. "direct" and "none", by
// which some go past a proxy of all, are no proxy.
func proxyOf(text string) (secret.Value, string) {
	switch text = strings.TrimSpace(text); strings.ToLower(text) {
	case "":
		return secret.Value{}, ""
	case "direct", "none":
		return secret.Value{}, "going past its upstream's proxy is left"
	}
	return secret.New(text), ""
}
