package web

import (
	"os"
	"regexp"
	"slices"
	"testing"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Each setting of the contract has its row, and each row its texts.
func TestEverySettingIsShown(t *testing.T) {
	t.Parallel()
	rows := map[string]setting{}
	for _, g := range filled(&tokenstorev1.GetSettingsResponse{Settings: &tokenstorev1.Settings{}}) {
		for _, row := range g.Settings {
			rows[row.Name] = row
		}
	}
	catalogue := loadTexts(english)
	fields := (&tokenstorev1.Settings{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		name := string(fields.Get(i).Name())
		if name == "version" || name == "updated_at" {
			continue
		}
		row, shown := rows[name]
		if !shown || catalogue["setting."+name] == "" || catalogue["setting."+name+".help"] == "" {
			t.Errorf("%s: shown %v, or without texts", name, shown)
		}
		for _, choice := range row.Choices {
			if catalogue["choice."+name+"."+choice] == "" {
				t.Errorf("%s: the choice %s has no text", name, choice)
			}
		}
	}
}

// What the page says of the environment is what the manual says: each of its keys that gives a
// setting its first value is named, and no other.
func TestSettingsNameTheirKeys(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, named []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\|.*\\| First value: ").FindAllStringSubmatch(string(manual), -1) {
		documented = append(documented, row[1])
	}
	for _, g := range groups {
		for _, row := range g.Settings {
			if row.Env != "" {
				named = append(named, row.Env)
			}
		}
	}
	slices.Sort(documented)
	slices.Sort(named)
	if len(documented) == 0 || !slices.Equal(documented, named) {
		t.Errorf("the manual has %v\nthe page has %v", documented, named)
	}
}

// A setting shows its default, and what it was before its last change where that is another value.
func TestWhatASettingWas(t *testing.T) {
	t.Parallel()
	value := func(text string) *string { return &text }
	for name, c := range map[string]struct {
		change *tokenstorev1.SettingChange
		older  bool
		want   string
	}{
		"never changed":                    {nil, false, "3 <nil>"},
		"changed from the default":         {&tokenstorev1.SettingChange{PreviousDefault: true}, false, "3 3"},
		"changed from something else":      {&tokenstorev1.SettingChange{Previous: value("7")}, false, "3 7"},
		"changed to what it was":           {&tokenstorev1.SettingChange{Previous: value("5")}, false, "3 <nil>"},
		"with a tokenstore of before":      {&tokenstorev1.SettingChange{}, true, "<nil> <nil>"},
		"changed through one, the default": {&tokenstorev1.SettingChange{}, false, "3 <nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := &tokenstorev1.GetSettingsResponse{Settings: &tokenstorev1.Settings{MaxAttempts: 5}, Defaults: &tokenstorev1.Settings{MaxAttempts: 3}}
			if c.change != nil {
				c.change.Name = "max_attempts"
				answer.Changes = append(answer.Changes, c.change)
			}
			if c.older {
				answer.Defaults = nil
			}
			said := func(text *string) string {
				if text == nil {
					return "<nil>"
				}
				return *text
			}
			for _, g := range filled(answer) {
				for _, row := range g.Settings {
					if got := said(row.Default) + " " + said(row.Earlier()); row.Name == "max_attempts" && got != c.want {
						t.Errorf("%s, want %s", got, c.want)
					}
				}
			}
		})
	}
}
