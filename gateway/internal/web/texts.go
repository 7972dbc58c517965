package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// locales has one catalogue of texts per language, all with the same keys.
//
//go:embed locales
var locales embed.FS

// language is one that the pages are written in.
type language string

const (
	english language = "en"
	chinese language = "zh"
)

// languages in the order of preference.
var languages = []language{english, chinese}

// texts is a catalogue: what stands on the pages, by key. A text takes its
// arguments as fmt does.
type texts map[string]string

// loadTexts reads the catalogue of a language.
func loadTexts(lang language) texts {
	raw, err := locales.ReadFile("locales/" + string(lang) + ".json")
	if err != nil {
		panic(err) // it is embedded
	}
	var catalogue texts
	if err := json.Unmarshal(raw, &catalogue); err != nil {
		panic(fmt.Errorf("locales/%s.json: %w", lang, err)) // a test reads it
	}
	return catalogue
}

// text is what stands at a key. A key that is missing is an error of ours.
func (t texts) text(key string, args ...any) (string, error) {
	text, known := t[key]
	if !known {
		return "", fmt.Errorf("there is no text %q", key)
	}
	if len(args) > 0 {
		text = fmt.Sprintf(text, args...)
	}
	return text, nil
}

// label names one of a family's values; one that the catalogue does not know
// speaks for itself.
func (t texts) label(family, value string) string {
	if text, known := t[family+"."+value]; known {
		return text
	}
	return value
}

// note is what there is to say of one of a family's values; empty where that is nothing.
func (t texts) note(family, value string) string { return t[family+"."+value] }

// forScripts are the texts that the page's scripts need, as a module: their own, the names of the
// classes, and what to do about those that tests find.
func (t texts) forScripts() []byte {
	own := map[string]string{}
	for key, text := range t {
		name, ours := strings.CutPrefix(key, "js.")
		if ours || strings.HasPrefix(key, "class.") || strings.HasPrefix(key, "test_advice.") {
			own[name] = text
		}
	}
	object, err := json.Marshal(own)
	if err != nil {
		panic(err) // strings can always be marshalled
	}
	return slices.Concat([]byte("export default "), object, []byte(";\n"))
}

// languageOf answers the reader's language: as chosen, else as the browser asks.
func languageOf(r *http.Request) language {
	if chosen := language(preferred(r, languageCookie)); slices.Contains(languages, chosen) {
		return chosen
	}
	best, bestWeight := english, 0.0
	for entry := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, parameter, _ := strings.Cut(strings.TrimSpace(entry), ";")
		weight := 1.0
		if q, weighted := strings.CutPrefix(strings.TrimSpace(parameter), "q="); weighted {
			weight, _ = strconv.ParseFloat(q, 64)
		}
		primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if slices.Contains(languages, language(primary)) && weight > bestWeight {
			best, bestWeight = language(primary), weight
		}
	}
	return best
}
