package changeset_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/changeset"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// shortly says a change as `kind name deed field: before → after`.
func shortly(change changeset.Change) string {
	value := func(value *string) string {
		if value == nil {
			return "?"
		}
		return *value
	}
	said := strings.TrimRight(strings.Join([]string{change.Kind, change.Name, change.Deed, change.Field}, " "), " ")
	if change.Before == nil && change.After == nil {
		return said
	}
	return said + ": " + value(change.Before) + " → " + value(change.After)
}

func TestChanges(t *testing.T) {
	t.Parallel()
	fast := &tokenstorev1.Route{Name: "fast", Targets: []*tokenstorev1.RouteTarget{{Upstream: "a", Model: "m"}}}
	slow := &tokenstorev1.Route{Name: "fast", Targets: []*tokenstorev1.RouteTarget{{Upstream: "b"}}, Version: 2}
	ci := &tokenstorev1.ClientKey{Id: "k1", Name: "ci", Tags: []string{"a"}}
	for name, c := range map[string]struct {
		undo *tokenstorev1.AuditUndo
		want []string
	}{
		"deleted tokens, by name": {
			&tokenstorev1.AuditUndo{Deleted: []string{"t1", "t2"}, Names: map[string]string{"t1": "anna"}},
			[]string{"token anna deleted", "token t2 deleted"},
		},
		"switched tokens": {
			&tokenstorev1.AuditUndo{Enabled: []string{"t1"}, Disabled: []string{"t2"}},
			[]string{"token t1 changed enabled: false → true", "token t2 changed enabled: true → false"},
		},
		"an edited token": {
			&tokenstorev1.AuditUndo{Names: map[string]string{"t1": "anna"}, Tokens: []*tokenstorev1.FormerToken{{
				Id: "t1", Fields: []string{"alias", "tags", "cap", "weight"},
				Edit: &tokenstorev1.TokenEdit{Alias: "ann", Cap: 1, Weight: 1}, Became: &tokenstorev1.TokenEdit{Alias: "anna", Tags: []string{"x", "y"}, Weight: 2},
			}}},
			[]string{"token anna changed alias: ann → anna", "token anna changed tags:  → x, y", "token anna changed cap: 1 → 0", "token anna changed weight: 1 → 2"},
		},
		"a key": {
			&tokenstorev1.AuditUndo{Keys: []*tokenstorev1.FormerKey{{Id: "k1", Key: ci, Became: &tokenstorev1.ClientKey{Id: "k1", Name: "cd", Disabled: true, Tags: []string{"a", "b"}}}}},
			[]string{"key cd changed name: ci → cd", "key cd changed tags: a → a, b", "key cd changed state: active → disabled"},
		},
		"keys that come and go": {
			&tokenstorev1.AuditUndo{Keys: []*tokenstorev1.FormerKey{{Id: "k1", Became: ci}, {Id: "k1", Key: ci}}},
			[]string{"key ci created", "key ci deleted"},
		},
		"settings": {
			&tokenstorev1.AuditUndo{Settings: []*tokenstorev1.FormerSetting{
				{Name: "max_attempts", Value: "3", BecameValue: "5"},
				{Name: "default_instructions", Value: `""`, BecameValue: `"be \"brief\""`},
				{Name: "affinity", Value: `"off"`}, // as a gateway of before records it
			}},
			[]string{"setting max_attempts changed: 3 → 5", `setting default_instructions changed:  → be "brief"`, "setting affinity changed: off → ?"},
		},
		"routes": {
			&tokenstorev1.AuditUndo{Routes: []*tokenstorev1.FormerRoute{{Name: "fast", Route: slow, Became: fast}, {Name: "fast", Route: fast}, {Name: "fast", Became: slow}}},
			[]string{"route fast changed targets: b → a/m", "route fast deleted: a/m → ?", "route fast created: ? → b"},
		},
		"a page, prices": {
			&tokenstorev1.AuditUndo{
				Pages:  []*tokenstorev1.FormerPage{{Page: &tokenstorev1.Page{Path: "/about", Kind: tokenstorev1.PageKind_PAGE_KIND_HTML}}},
				Prices: &tokenstorev1.FormerPrices{Prices: make([]*tokenstorev1.Price, 2)},
			},
			[]string{"page /about changed: html → ?", "prices  changed: 2 → ?"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, change := range changeset.Of([]*tokenstorev1.AuditUndo{c.undo}) {
				got = append(got, shortly(change))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A long value is cut between characters.
func TestLongValues(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("中", 1000)
	changes := changeset.Of([]*tokenstorev1.AuditUndo{{Settings: []*tokenstorev1.FormerSetting{{Name: "default_instructions", Value: `"` + long + `"`}}}})
	if got := *changes[0].Before; len(got) > 510 || !strings.HasSuffix(got, "中…") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
