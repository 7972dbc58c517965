package app

import (
	"testing"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestCounted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		settings *tokenstorev1.Settings
		model    string
		want     bool
	}{
		"not known yet":    {nil, "gpt-4", false},
		"none":             {&tokenstorev1.Settings{CheckUsageModelsType: "none"}, "gpt-4", false},
		"default":          {&tokenstorev1.Settings{CheckUsageModelsType: "default"}, "gpt-4", true},
		"default, not in":  {&tokenstorev1.Settings{CheckUsageModelsType: "default"}, "gpt-4o-mini", false},
		"all":              {&tokenstorev1.Settings{CheckUsageModelsType: "all"}, "gpt-4o-mini", true},
		"list":             {&tokenstorev1.Settings{CheckUsageModelsType: "list", CheckUsageModels: "o1, gpt-4"}, "gpt-4", true},
		"list, not in":     {&tokenstorev1.Settings{CheckUsageModelsType: "list", CheckUsageModels: "o1,gpt-4o"}, "gpt-4", false},
		"list of nothing":  {&tokenstorev1.Settings{CheckUsageModelsType: "list"}, "gpt-4", false},
		"a list, but none": {&tokenstorev1.Settings{CheckUsageModelsType: "none", CheckUsageModels: "gpt-4"}, "gpt-4", false},
	} {
		if got := counted(test.settings, test.model); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if len(countedModels) != 11 {
		t.Errorf("%d models are counted", len(countedModels))
	}
}
