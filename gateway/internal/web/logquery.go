package web

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
)

// logTerm is a kind of term of the query field, such as status:failed. It sets a part of the filter,
// and is known by that part's name in the address, too.
type logTerm struct {
	name, field string
	// usage is how such a term begins, or is written where there is one way only.
	usage string
	// read answers what the part of the filter is for a value in small letters; nil: what was written.
	read func(value string) (string, bool)
	// values are all that there are; none: they are like the one of example.
	values  []string
	example string
}

// logTerms are all that there are: what the tokenstore finds without a look at each entry.
var logTerms = []logTerm{
	{"status", "status", "status:", namedStatus, []string{"failed", "succeeded"}, ""},
	{"model", "model", "model:", nil, nil, ""},
	{"account", "alias", "account:", nil, nil, ""},
	{"upstream", "upstream", "upstream:", nil, nil, ""},
	{"class", "error_kind", "class:", namedKind, kindNames(), ""},
	{"error", "error", "error:", nil, nil, ""},
	{"total", "min_total", ">2s", atLeast, nil, ">2s"},
	{"attempts", "retried", "attempts:>1", moreThanOne, []string{">1"}, ""},
	{"key", "key_id", "key:", nil, nil, ""},
	{"token", "token_id", "token:", nil, nil, ""},
	{"stream", "stream", "stream:", yesOrNo, []string{"yes", "no"}, ""},
	{"from", "from", "from:", aMoment, nil, "from:2026-01-31T12:00"},
	{"to", "to", "to:", aMoment, nil, "to:2026-01-31T12:00"},
	{"id", "id", "id:", nil, nil, ""},
}

// logTermUsages are the terms that there are, as they are written.
func logTermUsages() []string {
	usages := make([]string, len(logTerms))
	for i, term := range logTerms {
		usages[i] = term.usage
	}
	return usages
}

func namedStatus(value string) (string, bool) {
	status, known := map[string]string{"failed": "failure", "failure": "failure", "succeeded": "success", "success": "success"}[value]
	return status, known
}

// namedKind is the kind of error that a value names, or that alone begins with it.
func namedKind(value string) (string, bool) {
	var found []string
	for _, name := range kindNames() {
		if name == value {
			return name, true
		}
		if strings.HasPrefix(name, value) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return "", false
	}
	return found[0], true
}

func kindNames() []string {
	var names []string
	for _, kind := range chat.Kinds() {
		names = append(names, string(kind))
	}
	return names
}

func yesOrNo(value string) (string, bool) {
	said, known := map[string]string{"yes": "true", "true": "true", "no": "false", "false": "false"}[value]
	return said, known
}

func aMoment(value string) (string, bool) {
	value = strings.ToUpper(value) // its T and Z
	_, err := moment("", value)
	return value, err == nil
}

func moreThanOne(value string) (string, bool) {
	return "true", slices.Contains([]string{">1", ">=2", "true"}, value)
}

func atLeast(value string) (string, bool) {
	value = strings.TrimPrefix(strings.TrimPrefix(value, ">"), "=")
	total, err := time.ParseDuration(value)
	return value, err == nil && total >= 0
}

// bareID is an id as an answer has it, or its header X-Request-Id: a term without a name. Their
// letters are small, and may be written otherwise.
var bareID = regexp.MustCompile(`(?i)^([a-z]+[-_])?[0-9a-f]{32}$`)

// termError says which term of a query, or which part of an address, can't be used.
type termError struct {
	// reason is the key of the text that says why, in the family of term.
	reason string
	term   string
	// can are the terms, or the values, that there are; empty where the reason needs none.
	can string
}

// mostShown is how much of a term is shown, in bytes.
const mostShown = 60

func (e *termError) Error() string { return "term " + e.term + ": " + e.reason }

// text says it in a language.
func (e *termError) text(texts texts) (string, error) {
	args := []any{chat.Cut(e.term, mostShown)}
	if e.can != "" {
		args = append(args, e.can)
	}
	return texts.text("term."+e.reason, args...)
}

// with adds the terms of a query, which take the place of what is set. Its errors are *termError.
func (f logFilter) with(query string) (logFilter, error) {
	words, err := wordsOf(query)
	if err != nil {
		return f, err
	}
	set := map[string]bool{}
	for _, word := range words {
		term, value, err := readTerm(word)
		if err != nil {
			return f, err
		}
		if set[term.field] {
			return f, &termError{"twice", word, ""}
		}
		set[term.field] = true
		for _, field := range f.fields() {
			if field.name == term.field {
				*field.value = value
			}
		}
	}
	return f, nil
}

// cutTerm is a term's name and value. The colon may be the one of a Chinese keyboard.
func cutTerm(word string) (name, value string, named bool) {
	at := strings.IndexAny(word, ":：")
	if at < 0 {
		return word, "", false
	}
	_, size := utf8.DecodeRuneInString(word[at:])
	return word[:at], word[at+size:], true
}

// readTerm is the kind of a term, and the value of the part of the filter that it sets.
func readTerm(word string) (logTerm, string, error) {
	name, value, named := cutTerm(word)
	switch {
	case !named && bareID.MatchString(word):
		name, value = "id", word
	case !named && strings.HasPrefix(word, ">"):
		name, value = "total", word
	case !named:
		return logTerm{}, "", &termError{"unknown", word, strings.Join(logTermUsages(), " ")}
	}
	name = strings.ToLower(name)
	at := slices.IndexFunc(logTerms, func(t logTerm) bool { return t.name == name || t.field == name })
	if at < 0 {
		return logTerm{}, "", &termError{"unknown", word, strings.Join(logTermUsages(), " ")}
	}
	term := logTerms[at]
	if value = strings.TrimSpace(value); value == "" {
		return term, "", &termError{"empty", word, ""}
	}
	if term.field == "id" && bareID.MatchString(value) {
		value = strings.ToLower(value)
	}
	if term.read == nil {
		return term, value, nil
	}
	read, known := term.read(strings.ToLower(value))
	switch {
	case known:
		return term, read, nil
	case term.values != nil:
		return term, "", &termError{"value", word, strings.Join(term.values, ", ")}
	default:
		return term, "", &termError{"form", word, term.example}
	}
}

// wordsOf are the words of a query. What stands in quotation marks is one, in which \ takes the next
// letter as it is.
func wordsOf(query string) ([]string, error) {
	var words []string
	var word strings.Builder
	begun, quoted, escaped := false, false, false
	for _, r := range query {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			begun, quoted = true, !quoted
		case unicode.IsSpace(r) && !quoted:
			if begun {
				words = append(words, word.String())
				word.Reset()
			}
			begun = false
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	if quoted {
		return nil, &termError{"quote", word.String(), ""}
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}
