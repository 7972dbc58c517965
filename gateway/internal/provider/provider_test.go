package provider_test

import (
	"net/url"
	"regexp"
	"testing"

	"carousel.internal/gateway/internal/provider"
)

// An upstream can be called as its provider is, and no two of them are one.
func TestKnownProviders(t *testing.T) {
	t.Parallel()
	names, addresses := map[string]bool{}, map[string]bool{}
	for _, each := range provider.Known {
		if !regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`).MatchString(each.Name) || each.Label == "" || names[each.Name] || addresses[each.URL] {
			t.Errorf("%+v", each)
		}
		names[each.Name], addresses[each.URL] = true, true
		if base, err := url.Parse(each.URL); err != nil || base.Host == "" {
			t.Errorf("%s is at %q", each.Name, each.URL)
		}
		if found, known := provider.Find(each.Name); !known || found != each {
			t.Errorf("%s is found as %+v", each.Name, found)
		}
	}
	if _, known := provider.Find("nobody"); known {
		t.Error("nobody is known")
	}
}
