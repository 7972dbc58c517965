package web

import (
	"slices"
	"testing"

	"carousel.internal/gateway/internal/provider"
)

// A provider is offered as long as no upstream has its name.
func TestPresetsOfNewUpstreams(t *testing.T) {
	t.Parallel()
	names := func(upstreams ...string) (names []string) {
		for _, each := range (tokensData{Upstreams: upstreams}).Presets() {
			names = append(names, each.Name)
		}
		return names
	}
	all := names()
	if len(all) != len(provider.Known) {
		t.Errorf("%d of %d are offered", len(all), len(provider.Known))
	}
	want := slices.DeleteFunc(all, func(name string) bool { return name == "openai" || name == "groq" })
	if got := names("groq", "openai", "mine"); !slices.Equal(got, want) {
		t.Errorf("%q are offered, want %q", got, want)
	}
}
