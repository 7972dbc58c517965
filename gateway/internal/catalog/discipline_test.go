package catalog

import (
	"slices"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/upstream"
)

func TestDiscipline(t *testing.T) {
	t.Parallel()
	config := upstream.Config{Settings: map[string]string{
		"idle_timeout":  "9s",
		"failure_rules": `[{"status":"429","text":"daily","class":"quota"}]`,
		"fallbacks":     `{"a":["b","other/a"],"*":["c"]}`,
		"retry_percent": "5",
	}}
	given := config.Settings
	d, err := discipline(&config)
	if err != nil {
		t.Fatal(err)
	}
	if len(config.Settings) != 1 || config.Settings["idle_timeout"] != "9s" || len(given) != 4 {
		t.Errorf("the driver gets %v of %v", config.Settings, given)
	}
	if len(d.Rules) != 1 || d.Rules[0].Class != upstream.Quota || d.RetryPercent != 5 {
		t.Errorf("got %+v", d)
	}
	if got := d.Fallbacks("a"); !slices.Equal(got, []string{"b", "other/a"}) {
		t.Errorf("of a model with a list: %v", got)
	}
	if got := d.Fallbacks("x"); !slices.Equal(got, []string{"c"}) {
		t.Errorf("of any other model: %v", got)
	}
	plain, err := discipline(&upstream.Config{})
	if err != nil || plain.RetryPercent != 100 || plain.Rules != nil || plain.Fallbacks("a") != nil {
		t.Errorf("without settings: %+v, %v", plain, err)
	}
}

func TestDisciplineRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"failure_rules", `[{"status":"429","class":"x"}]`, `settings.failure_rules: [0]: class: "x" is not one of`},
		{"fallbacks", `["a"]`, "settings.fallbacks: must be a JSON object of lists"},
		{"fallbacks", `{"a":["a"]}`, `settings.fallbacks: ["a"][0]: must be the id of another model`},
		{"fallbacks", `{"a":["b","b"]}`, `["a"][1]: must be the id of another model, and of each one once`},
		{"fallbacks", `{"a":[""]}`, `["a"][0]`},
		{"fallbacks", `{"a":["1","2","3","4","5","6"]}`, `["a"]: 6 fallbacks; there may be 5`},
		{"retry_percent", "101", `settings.retry_percent: "101" is not a number from 0 to 100`},
		{"retry_percent", "20%", `"20%" is not a number`},
	} {
		_, err := discipline(&upstream.Config{Settings: map[string]string{test.name: test.text}})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: %v, want %q", test.name, test.text, err, test.want)
		}
	}
}
