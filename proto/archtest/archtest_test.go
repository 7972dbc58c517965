package archtest_test

import (
	"testing"

	"carousel.internal/proto/archtest"
)

func TestBreaches(t *testing.T) {
	table := archtest.Table{
		Module: "example.test/m/",
		Allowed: map[string][]string{
			"domain": {}, "edge": {"domain", "spoke/*"}, "spoke/*": {"domain"}, "spoke/special": {"edge"},
		},
		Caged: map[string][]string{
			"example.test/library": {"edge"}, "example.test/other/": {"spoke/*"}, "math/rand": {},
		},
	}
	for _, c := range []struct {
		name, imported string
		breaches       int
	}{
		{"domain", "fmt", 0},
		{"domain", "example.test/m/edge", 1},
		{"edge", "example.test/m/domain", 0},
		{"edge", "example.test/m/spoke/one", 0},
		{"spoke/one", "example.test/m/edge", 1},
		{"spoke/special", "example.test/m/edge", 0},
		{"spoke/special", "example.test/m/domain", 1},
		{"edge", "example.test/library/part", 0},
		{"domain", "example.test/library", 1},
		{"domain", "example.test/library/part", 1},
		{"domain", "example.test/library2", 0},
		{"domain", "example.test/other/part", 1},
		{"spoke/one", "example.test/other/part", 0},
		{"domain", "math/rand", 1},
		{"domain", "math/rand/v2", 0},
		{"helpers", "fmt", 1},
	} {
		if got := table.Breaches(c.name, c.imported); len(got) != c.breaches {
			t.Errorf("%s imports %s: %v, want %d breaches", c.name, c.imported, got, c.breaches)
		}
	}
}
