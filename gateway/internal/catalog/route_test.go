package catalog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// to is a target of the first priority with a weight of one.
func to(upstreamName, model string) RouteTarget {
	return RouteTarget{Upstream: upstreamName, Model: model, Weight: 1}
}

// alias is a route for one name.
func alias(name string, targets ...RouteTarget) Route {
	return Route{Name: name, Match: name, Targets: targets}
}

// pattern is a route for a family of names.
func family(name, match string, targets ...RouteTarget) Route {
	return Route{Name: name, Match: match, Targets: targets}
}

// places are the targets of a plan, each as `upstream model`.
func places(plan Plan, err error) []string {
	if err != nil {
		return []string{string(chat.AsError(err).Kind)}
	}
	list := []string{plan.First.Upstream + " " + plan.First.Model}
	for next, more := plan.Next(); more; next, more = plan.Next() {
		list = append(list, next.Upstream+" "+next.Model)
	}
	return list
}

func TestWhereANameLeads(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.Update([]upstream.Config{local, backup, cursorConfig}, []Route{
		alias("fast", to("local", "small")),
		alias("gpt-4o", to("backup", "own")),                 // as a model that is listed
		alias("local/named", to("backup", "own")),            // as one that names its upstream
		alias("loop", to("local", "fast")),                   // by the name of another alias
		alias("starred", to("local", "a*b")),                 // a star stands for nothing where there is none in the name
		alias("as-named", to("local", ""), to("backup", "")), // one after the other, in turns
		alias("lost", to("gone", "m"), to("away", "m")),
		family("claudes", "claude-*", to("local", "anthropic/claude-*")),
		family("sonnets", "claude-*-sonnet", to("backup", "s*")),
		family("tie-b", "t-*", to("backup", "")),
		family("tie-a", "*-t", to("local", "")),
		family("slashed", "local/*", to("backup", "*")),
		family("doubled", "**", to("backup", "never")), // the store refuses it; nobody names it
		family("gone", "gone-*", to("gone", "")),
		family("empty", "empty*", to("local", "*"), to("backup", "x")),
		family("long", "long-*", to("local", strings.Repeat("x", 150)+"*"), to("backup", "x")),
	})
	for name, want := range map[string]string{
		"fast":                               "local small",
		"gpt-4o":                             "backup own",
		"local/gpt-4o":                       "local gpt-4o",
		"local/named":                        "backup own",
		"local/other":                        "local other", // no pattern stands before an upstream's own name
		"loop":                               "local fast",
		"starred":                            "local a*b",
		"as-named":                           "local as-named, backup as-named",
		"lost":                               "model_not_supported",
		"claude-9":                           "local anthropic/claude-9",
		"claude-":                            "local anthropic/claude-",
		"claude-3.5-sonnet":                  "backup s3.5",
		"claude-sonnet":                      "local anthropic/claude-sonnet", // prefix and suffix do not overlap
		"t-1-t":                              "local t-1-t",
		"gone-1":                             "model_not_supported",
		"own":                                "backup own",
		"empty":                              "backup x", // nothing is left of the name for the first
		"emptyish":                           "local ish, backup x",
		"long-" + strings.Repeat("y", 60):    "backup x",
		"":                                   "model_not_supported",
		"nobody":                             "model_not_supported",
		"claude-" + strings.Repeat("y", 200): "model_not_supported",
	} {
		if got := strings.Join(places(r.Resolve(Wish{Model: name, Look: true})), ", "); got != want {
			t.Errorf("%q leads to %s, want %s", name, got, want)
		}
	}
}

// What can serve comes first, by priority; then what has no token. What can't carry the
// request is left out where anybody can, and says so where nobody can.
func TestWhatCannotServeComesLast(t *testing.T) {
	t.Parallel()
	r := newRig()
	first := func(upstreamName, model string) RouteTarget { return RouteTarget{upstreamName, model, 0, 1} }
	second := func(upstreamName, model string) RouteTarget { return RouteTarget{upstreamName, model, 1, 1} }
	r.Update([]upstream.Config{local, backup, cursorConfig}, []Route{
		alias("a", first("cursor", "m"), first("gone", "m"), second("local", "m"), second("backup", "m")),
		alias("words", first("cursor", "m"), second("backup", "m")),
	})
	tools := &chat.Request{Asks: []chat.Ask{{Field: "tools", Need: chat.Tools}}}
	odd := &chat.Request{HistoryFault: chat.Errorf(chat.InvalidRequest, "odd")}
	all := []string{"cursor", "local", "backup"}
	for _, c := range []struct {
		name    string
		stocked []string
		wish    Wish
		want    string
	}{
		{"all can", all, Wish{Model: "a"}, "cursor, local, backup"},
		{"the first has no token", []string{"local", "backup"}, Wish{Model: "a"}, "local, backup, cursor"},
		{"nobody has", []string{}, Wish{Model: "a"}, "cursor, local, backup"},
		{"only one can carry it", all, Wish{Model: "a", Request: tools}, "local"},
		{"only one could carry it", []string{"cursor"}, Wish{Model: "a", Request: tools}, "local"},
		{"nobody can carry it", all, Wish{Model: "words", Request: tools}, "cursor"},
		{"nobody takes such a history", all, Wish{Model: "a", Request: odd}, "cursor"},
		{"a token of the caller's own", all, Wish{Model: "a", OwnToken: true}, "cursor, backup, local"},
	} {
		r.SetStocked(c.stocked)
		c.wish.Look = true
		var got []string
		for _, place := range places(r.Resolve(c.wish)) {
			got = append(got, strings.Fields(place)[0])
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

// A name that leads nowhere says which upstreams are missing, and of a long name no more than
// its beginning.
func TestARouteToNobodyIsAnUnknownModel(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.Update(nil, []Route{alias("fast", to("gone", "m"), to("away", "m"), to("gone", "n"))})
	_, err := r.Resolve(Wish{Model: "fast"})
	refused := chat.AsError(err)
	want := "Model 'fast' is not supported: the route \"fast\" leads to none that can serve it (upstreams: gone, away)"
	if refused == nil || refused.Kind != chat.ModelNotSupported || refused.Param != "model" || refused.Message != want {
		t.Errorf("got %+v", refused)
	}
}

// What goes on with something goes where that is kept, whoever else could serve; a name that does
// not lead there is no model of that upstream's. What is kept itself is asked for by any name.
func TestAPinnedRequestGoesToItsUpstream(t *testing.T) {
	t.Parallel()
	r := newRig()
	low := []chat.Parameter{{Name: chat.SetEffort, Value: `"low"`}}
	fast := alias("fast", RouteTarget{"cursor", "c", 0, 1}, RouteTarget{"local", "l", 1, 1}, RouteTarget{"local", "second", 2, 1})
	fast.Parameters = low
	r.Update([]upstream.Config{local, backup, cursorConfig}, []Route{fast, family("near", "near-*", to("local", "*")), alias("lost", to("gone", "m"))})
	r.SetStocked([]string{"cursor"})
	if plan, err := r.Resolve(Wish{Model: "lost", Upstream: "local", Endpoint: "responses"}); err != nil || plan.First.Upstream != "local" {
		t.Errorf("what is kept is asked of %q: %v", plan.First.Upstream, err)
	}
	if plan, err := r.Resolve(Wish{Model: "fast", Upstream: "local", Endpoint: "responses"}); err != nil || plan.First.Model != "l" {
		t.Errorf("what goes on with it is about %q: %v", plan.First.Model, err)
	}
	for _, c := range []struct {
		upstream, model, want string
		parameters            []chat.Parameter
	}{
		{"local", "fast", "local l", low},
		{"backup", "fast", "not_found", nil}, // the route leads there no more
		{"local", "near-l", "local l", nil},
		{"local", "near-", "model_not_supported", nil}, // of the name nothing is left
		{"local", "gpt-4o", "local gpt-4o", nil},
		{"local", "local/gpt-4o", "local gpt-4o", nil},
		{"backup", "local/gpt-4o", "not_found", nil},
		{"cursor", "org/llama", "not_found", nil},
		{"backup", "elsewhere/gpt-4o", "model_not_supported", nil},
		{"local", "nobody", "model_not_supported", nil},
		{"local", "lost", "model_not_supported", nil},
		{"gone", "fast", "not_found", nil},
		{"local", strings.Repeat("x", 201), "model_not_supported", nil},
	} {
		plan, err := r.Resolve(Wish{Model: c.model, Upstream: c.upstream})
		if diff := cmp.Diff(c.parameters, plan.Parameters); diff != "" {
			t.Error(c, diff)
		}
		if got := places(plan, err); len(got) != 1 || got[0] != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// An answer that is kept open goes on where it is, and takes nobody's turn.
func TestWhereAnAnswerIsOpenComesFirst(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.Update([]upstream.Config{local, cursorConfig}, []Route{
		alias("fast", RouteTarget{"cursor", "a", 0, 1}, RouteTarget{"cursor", "b", 0, 1}, RouteTarget{"local", "c", 1, 1}),
	})
	for _, c := range []struct {
		open    Place
		stocked string
		want    string
	}{
		{Place{"local", "c"}, "cursor local", "c"},
		{Place{"cursor", "b"}, "cursor local", "b"},
		{Place{"cursor", "b"}, "cursor local", "b"},
		{Place{}, "cursor local", "a"},
		{Place{}, "cursor local", "b"},
		{Place{"gone", "b"}, "cursor local", "a"},
		{Place{"local", "c"}, "cursor", "b"},
	} {
		r.SetStocked(strings.Fields(c.stocked))
		if plan, err := r.Resolve(Wish{Model: "fast", Open: c.open}); err != nil || plan.First.Model != c.want {
			t.Errorf("%+v: %s, %v, want %s", c.open, plan.First.Model, err, c.want)
		}
	}
	wish := Wish{Model: "fast", Open: Place{"cursor", "b"}, Look: true}
	if got, want := strings.Join(places(r.Resolve(wish)), ", "), "cursor b, cursor a, local c"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Names of routes are listed as models are, where somebody can serve them; patterns are none.
func TestAliasesAreListed(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.Update([]upstream.Config{local, cursorConfig}, []Route{
		alias("slow", to("local", "m")), alias("fast", to("gone", "m"), to("cursor", "m")), alias("gpt-4o", to("local", "m")),
		alias("lost", to("gone", "m")), family("claudes", "claude-*", to("local", "")),
	})
	list := func(models []chat.Model) string {
		var names []string
		for _, model := range models {
			names = append(names, fmt.Sprintf("%s of %s", model.ID, model.OwnedBy))
		}
		return strings.Join(names, ", ")
	}
	if got, want := list(r.Models()), "fast of carousel, gpt-4o of carousel, slow of carousel, claude-3.5-sonnet of anthropic, org/llama of local"; got != want {
		t.Errorf("all are %s", got)
	}
	r.SetStocked([]string{"local"})
	if got, want := list(r.Servable()), "gpt-4o of carousel, slow of carousel, org/llama of local"; got != want {
		t.Errorf("servable are %s", got)
	}
	r.Update([]upstream.Config{local}, nil)
	if got, want := list(r.Models()), "gpt-4o of local, org/llama of local"; got != want {
		t.Errorf("without routes they are %s", got)
	}
}

// Side endpoints go by routes too, to upstreams that have them.
func TestRoutesOfSideEndpoints(t *testing.T) {
	t.Parallel()
	r := newRig()
	r.constructors["passing"] = func(config upstream.Config) (upstream.Driver, error) {
		return passing{&fakeDriver{config: config}}, nil
	}
	r.Update([]upstream.Config{cursorConfig, {Name: "p", Driver: "passing"}}, []Route{
		alias("vectors", to("cursor", "m"), to("p", "v")), alias("words", to("cursor", "m")),
	})
	for name, want := range map[string]string{"vectors": "p v", "words": "model_not_supported"} {
		if got := places(r.Resolve(Wish{Model: name, Endpoint: "embeddings"})); len(got) != 1 || got[0] != want {
			t.Errorf("%s leads to %v, want %s", name, got, want)
		}
	}
}

func TestProspects(t *testing.T) {
	t.Parallel()
	r := newRig()
	falls := local
	falls.Settings = map[string]string{fallbacksSetting: `{"*":["gpt-4o"]}`}
	fast := alias("fast", RouteTarget{"cursor", "m", 0, 3}, RouteTarget{"gone", "m", 0, 1}, RouteTarget{"local", "", 1, 1}, RouteTarget{"backup", "m", 1, 1})
	fast.Parameters = []chat.Parameter{{Name: chat.SetEffort, Value: `"low"`}}
	r.Update([]upstream.Config{falls, backup, cursorConfig}, []Route{fast, alias("lost", to("gone", "m"))})
	r.SetStocked([]string{"cursor", "local"})
	cannot := func(name string) string {
		return fmt.Sprintf("`tools`: upstream %q can't carry tools and functions; leave it out, or name a model of an upstream that can", name)
	}
	tools := &chat.Request{Asks: []chat.Ask{{Field: "tools", Need: chat.Tools}}}
	for _, c := range []struct {
		wish Wish
		want Chain
	}{
		{Wish{Model: "fast"}, Chain{"fast", "fast", fast.Parameters, []Prospect{
			{"cursor", "m", 0, 3, "", false},
			{"gone", "m", 0, 1, "there is no such upstream", false},
			{"local", "fast", 1, 1, "", false},
			{"backup", "m", 1, 1, "", true},
		}, nil}},
		{Wish{Model: "fast", Request: tools}, Chain{"fast", "fast", fast.Parameters, []Prospect{
			{"cursor", "m", 0, 3, cannot("cursor"), false},
			{"gone", "m", 0, 1, "there is no such upstream", false},
			{"local", "fast", 1, 1, "", false},
			{"backup", "m", 1, 1, cannot("backup"), false},
		}, []string{"gpt-4o"}}},
		{Wish{Model: "lost"}, Chain{"lost", "lost", nil, []Prospect{{"gone", "m", 0, 1, "there is no such upstream", false}}, nil}},
		{Wish{Model: "gpt-4o"}, Chain{Prospects: []Prospect{
			{"cursor", "gpt-4o", 0, 0, "", false}, {"local", "gpt-4o", 0, 0, `upstream "cursor" comes before it`, false},
		}}},
		{Wish{Model: "gpt-4o", Request: tools}, Chain{Prospects: []Prospect{
			{"local", "gpt-4o", 0, 0, "", false}, {"cursor", "gpt-4o", 0, 0, cannot("cursor"), false},
		}, Fallbacks: []string{"gpt-4o"}}},
		{Wish{Model: "backup/x"}, Chain{Prospects: []Prospect{{"backup", "x", 0, 0, "", true}}}},
	} {
		got, err := r.Prospects(c.wish)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", c.wish.Model, err, diff)
		}
	}
	if _, err := r.Prospects(Wish{Model: "nobody"}); chat.AsError(err) == nil || chat.AsError(err).Kind != chat.ModelNotSupported {
		t.Errorf("got %v", err)
	}
	if _, err := newRig().Prospects(Wish{Model: "fast"}); chat.AsError(err) == nil || chat.AsError(err).Kind != chat.StoreUnavailable {
		t.Errorf("got %v", err)
	}
}
