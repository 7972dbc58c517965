package openai

import (
	"os"
	"strings"
	"testing"
)

// Every setting, and every word of lacks, is in the manual.
func TestSettingsAreDocumented(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../../../docs/openai-upstreams.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(manual)) {
		if name, rest, isRow := strings.Cut(strings.TrimPrefix(line, "| `"), "` |"); isRow {
			rows[name] = rest
		}
	}
	for setting := range settingParsers {
		if rows[setting] == "" {
			t.Errorf("%s has no row", setting)
		}
	}
	for _, need := range lackable {
		if !strings.Contains(rows["lacks"], "`"+string(need)+"`") {
			t.Errorf("the row of lacks does not name %s", need)
		}
	}
}
