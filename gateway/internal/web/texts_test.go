package web

import (
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"carousel.internal/gateway/internal/pricing"
	"carousel.internal/gateway/internal/routing"
	"carousel.internal/gateway/internal/tokentest"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
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
	collect(templateFiles, "templates", regexp.MustCompile(`(?:[{(]|:= )t "([^"]+)"`), "")
	collect(assetFiles, "assets", regexp.MustCompile(`\bt\('([^']+)'`), "js.")
	catalogue := loadTexts(english)
	for key := range used {
		if _, known := catalogue[key]; !known {
			t.Errorf("%q is used, and not in the catalogue", key)
		}
	}
	// Keys that are made of a part that is fixed and one that is a value.
	families := []string{
		"consequence.", "consequence_end.", "repeat.", "log_view.",
		"nav.", "state.", "unit.", "range.", "chart.", "series.", "setting.", "group.", "choice.", "kind.", "error_kind.", "end_reason.",
		"choice_help.",
		"usage_source.", "role.", "problem.", "login.", "entry.gone", "change.gone", "js.excluded_", "tokens.enable", "tokens.disable", "js.enable", "js.disable", "js.delete",
		"js.release", "dialect.", "class.", "advice.", "effect.", "by.", "action.", "detail.", "store_warning.",
		"credential.", "login_state.", "vendor.", "quota_unit.", "parameter.", "why_not.", "why_token.", "model_state.", "hit.",
		"use.others", "use.by_", "use.of_", "use.measure_", "use_token.", "caller.", "cost_quality.", "price_part.", "price_change.", "price_format.", "price_format_help.",
		"restore_action.", "backup_kind.", "key_state.", "key_done.", "key_keep.", "key_unit.", "scope.", "key_period.", "limit.", "connect_note.",
		"home.able_", "home.stuck_", "need.", "need_one.", "need_at.", "need_help.", "need_action.",
		"js.move_", "activity.source.", "event.", "deed.", "subject.", "field.",
		"alert.", "alert_state.", "severity.", "destination_kind.", "destination_help.", "destination_secret.", "mail_security.", "message_language.",
		"silence_length.", "delivery_outcome.",
		"chip.", "kit_state.", "kit.wrong", "test_advice.", "coming.", "budget_period.", "column.", "log_column.", "fill.", "quotas.order_", "term.",
	}
	for key := range catalogue {
		inFamily := slices.ContainsFunc(families, func(family string) bool { return strings.HasPrefix(key, family) })
		if !used[key] && !inFamily {
			t.Errorf("%q is not used", key)
		}
	}
}

// What the tokenstore names by a word has a text.
func TestNamesHaveTexts(t *testing.T) {
	t.Parallel()
	catalogue := loadTexts(english)
	for _, kind := range []string{"not_durable", "evicts", "nearly_full", "forged_upstream", "vanished", "log_away", "partly_away"} {
		if catalogue["store_warning."+kind] == "" {
			t.Errorf("store_warning.%s", kind)
		}
	}
	for number, name := range tokenstorev1.Outcome_name {
		class := strings.ToLower(strings.TrimPrefix(name, "OUTCOME_"))
		failure := !slices.Contains([]tokenstorev1.Outcome{
			tokenstorev1.Outcome_OUTCOME_UNSPECIFIED, tokenstorev1.Outcome_OUTCOME_SUCCESS, tokenstorev1.Outcome_OUTCOME_UNUSED,
		}, tokenstorev1.Outcome(number))
		if _, known := catalogue["class."+class]; known != failure {
			t.Errorf("class.%s: %v", class, known)
		}
	}
	for _, name := range routing.Parameters {
		if catalogue["parameter."+string(name)] == "" {
			t.Errorf("parameter.%s", name)
		}
	}
	for _, class := range tokentest.Classes() {
		if catalogue["test_advice."+class] != tokentest.Advice(class) {
			t.Errorf("test_advice.%s", class)
		}
		if catalogue["class."+class] == "" && class != "seal_refused" { // which a question of a word can't meet
			t.Errorf("class.%s", class)
		}
	}
	for family, names := range map[string][]string{
		"js.excluded_":       {"disabled", "parked", "expired", "cooling", "cooling_model", "probing", "probing_model", "quarantined", "capped"},
		"why_token.":         {"disabled", "parked", "expired", "cooling", "cooling_model", "probing", "probing_model", "quarantined", "capped"},
		"dialect.":           {"openai", "anthropic", "responses"},
		"credential.":        {"session", "api_key", "user_key", "login"},
		"login_state.":       {"pending", "done", "failed", "expired", "cancelled"},
		"quota_unit.":        {"requests", "tokens"},
		"event.":             {"cooling", "parked", "undone", "released", "recovered", "enabled"},
		"deed.":              {"changed", "created", "deleted"},
		"caller.":            {"admin", "key", "own", "session"},
		"cost_quality.":      {"reported", "estimated", "partial", "unpriced"},
		"use.by_":            useDimensions,
		"use.of_":            useDimensions,
		"column.":            tokenColumns.names,
		"log_column.":        logColumns.names,
		"fill.":              {string(fillAll), string(fillFirst), string(fillThen), string(fillNone), string(fillUnknown)},
		"use.measure_":       useMeasures,
		"chart.use_":         useMeasures,
		"price_part.":        priceParts,
		"price_format.":      pricing.Formats(),
		"price_format_help.": pricing.Formats(),
		"advice.":            {"auth", "model_not_allowed", "rate_limit", "outdated_client", "upstream", "transport", "truncated", "region", "proxy"},
	} {
		for _, name := range names {
			if _, known := catalogue[family+name]; !known {
				t.Errorf("there is no text %s%s", family, name)
			}
		}
	}
}
