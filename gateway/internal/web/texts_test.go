package web

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCataloguesHaveTheSameKeys(t *testing.T) {
	t.Parallel()
	keys := func(lang language) []string { return slices.Sorted(maps.Keys(loadTexts(lang))) }
	if diff := cmp.Diff(keys(english), keys(chinese)); diff != "" {
		t.Errorf("English and Chinese differ: %s", diff)
	}
	for _, lang := range languages {
		raw, _ := locales.ReadFile("locales/" + string(lang) + ".json")
		if lines, known := strings.Count(string(raw), "\n"), len(loadTexts(lang)); lines != known+2 {
			t.Errorf("%s: %d keys on %d lines: is one there twice?", lang, known, lines)
		}
	}
	verbs := regexp.MustCompile(`%[a-z]|\{\d\}`)
	other := loadTexts(chinese)
	for key, text := range loadTexts(english) {
		if text == "" || other[key] == "" {
			t.Errorf("%s is empty", key)
		}
		here, there := verbs.FindAllString(text, -1), verbs.FindAllString(other[key], -1)
		slices.Sort(here) // those with numbers may come in another order
		slices.Sort(there)
		if diff := cmp.Diff(here, there); diff != "" {
			t.Errorf("%s: the arguments differ: %s", key, diff)
		}
	}
}

// What templates and scripts ask for by name is in the catalogue, and nothing
// else is.
func TestTextsThatAreUsed(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	collect := func(files fs.FS, folder string, pattern *regexp.Regexp, prefix string) {
		err := fs.WalkDir(files, folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			source, err := fs.ReadFile(files, name)
			for _, match := range pattern.FindAllStringSubmatch(string(source), -1) {
				used[prefix+match[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	collect(templateFiles, "templates", regexp.MustCompile(`[{(]t "([^"]+)"`), "")
	collect(assetFiles, "assets", regexp.MustCompile(`\bt\('([^']+)'`), "js.")
	catalogue := loadTexts(english)
	for key := range used {
		if _, known := catalogue[key]; !known {
			t.Errorf("%q is used, and not in the catalogue", key)
		}
	}
	// Keys that are made of a part that is fixed and one that is a value.
	families := []string{
		"nav.", "state.", "unit.", "range.", "chart.", "series.", "setting.", "group.", "choice.", "kind.", "error_kind.", "end_reason.",
		"usage_source.", "role.", "problem.", "login.", "entry.gone", "js.excluded_", "tokens.enable", "tokens.disable", "tokens.revive", "js.enable", "js.disable", "js.delete",
	}
	for key := range catalogue {
		inFamily := slices.ContainsFunc(families, func(family string) bool { return strings.HasPrefix(key, family) })
		if !used[key] && !inFamily {
			t.Errorf("%q is not used", key)
		}
	}
}
