package token

import (
	"errors"
	"regexp"
	"strings"
	"unicode"
)

const cookieName = "WorkosCursorSessionToken"

// unwrap takes away what a token is copied with: quotes, punctuation and characters without
// width at the ends, the scheme of a header, the flag of a command, and the name of the
// cookie. What it doesn't know stays, and is refused later.
func unwrap(text string) (string, error) {
	if value, found := fromCookie(text); found {
		text = value
	}
	for range maxLayers {
		peeled := peel(text)
		if peeled == text {
			break
		}
		text = peeled
	}
	text = separators.Replace(text)
	return text, checkAround(text)
}

// maxLayers bounds how deep a token may be wrapped.
const maxLayers = 8

// blank tells spaces, and the characters without width that editors, chats and web pages
// add.
func blank(r rune) bool {
	switch r {
	case '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff', '\u00ad':
		return true
	}
	return unicode.IsSpace(r)
}

// separators are the spellings of `::` in a cookie's value, encoded once or twice.
var separators = strings.NewReplacer(
	"%3A%3A", "::", "%3a%3a", "::", "%3A%3a", "::", "%3a%3A", "::",
	"%253A%253A", "::", "%253a%253a", "::", "：：", "::",
)

// wrappers are what stands in front of a token.
var wrappers = regexp.MustCompile(`(?i)^(?:authorization\s*:\s*|bearer\s+|(?:-b|--cookie|-H|--header)\s+|cookie\s*:\s*)`)

// quotes are pairs of opening and closing ones.
var quotes = [][2]string{{`"`, `"`}, {"'", "'"}, {"`", "`"}, {"“", "”"}, {"‘", "’"}, {"«", "»"}}

// peel takes one layer away.
func peel(text string) string {
	text = strings.TrimFunc(text, blank)
	if front := wrappers.FindString(text); front != "" {
		return text[len(front):]
	}
	for _, end := range []string{";", "；", "，"} {
		if rest, found := strings.CutSuffix(text, end); found {
			return rest
		}
	}
	for _, quote := range quotes {
		if inside, quoted := strings.CutPrefix(text, quote[0]); quoted {
			return unquote(text, inside, quote[1])
		}
	}
	return text
}

// unquote returns what is inside of the quotes, with a checksum behind it, as in a table;
// text itself where the quotes are something else.
func unquote(text, inside, end string) string {
	inside, behind, closed := strings.Cut(inside, end)
	behind = strings.TrimFunc(behind, blank)
	switch {
	case closed && (behind == "" || behind == ","):
		return inside
	case closed && strings.HasPrefix(behind, ","):
		return inside + behind
	}
	return text
}

// cookie finds the session's cookie wherever it stands: in a header, in a command, in a
// line of a cookie file, with its name in any case. Its value ends where a cookie's does.
var cookie = regexp.MustCompile(`(?i)(?:^|[\s;:,'"])` + cookieName + `['"]?\s*[=:\s]\s*['"]?([^\s;'"]*)`)

// fromCookie returns the value of the session's cookie, if text has it, behind the alias
// that may stand in front.
func fromCookie(text string) (string, bool) {
	found := cookie.FindStringSubmatchIndex(text)
	if found == nil {
		return "", false
	}
	value := text[found[2]:found[3]]
	if alias, _, named := strings.Cut(text[:found[2]], "::"); named {
		return alias + "::" + value, true
	}
	return value, true
}

// HasCookie tells whether a text has the session's cookie in it, by name.
func HasCookie(text string) bool { return cookie.MatchString(text) }

// IsCookie tells whether a name is that of the session's cookie.
func IsCookie(name string) bool { return strings.EqualFold(name, cookieName) }

// session finds a session token: a JSON Web Token of three parts, or of five.
var session = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*){2,4}=*`)

// fourParts are the dots of what is no Web Token: one that has the full stop of a sentence
// behind it.
const fourParts = 3

// between are what separates the fields of an account's line.
var between = regexp.MustCompile(`-{3,}|\|`)

// errFields refuses a line that has more than a token, its alias and its checksum.
var errFields = errors.New("there is more than a token on the line (fields between `----` or `|`): write token, or alias::token")

// errAround refuses a session token with something around it that is not known.
var errAround = errors.New("there is something around the session token: write token, or alias::token")

// checkAround refuses a text that has a session token and, beside an alias and a
// checksum, something else: taken as it is, it would fail only when a request is spent
// on it.
func checkAround(text string) error {
	named, _, _ := strings.Cut(text, ",")
	found := session.FindAllStringIndex(named, 2)
	if len(found) == 0 {
		return nil
	}
	before, inside, behind := named[:found[0][0]], named[found[0][0]:found[0][1]], named[found[0][1]:]
	switch {
	case len(found) > 1:
		return errors.New("there are two session tokens on the line: write each on a line of its own")
	case between.MatchString(before) || between.MatchString(behind):
		return errFields
	case before != "" && !strings.HasSuffix(strings.TrimSpace(before), "::"), strings.TrimSpace(behind) != "",
		strings.Count(inside, ".") == fourParts:
		return errAround
	}
	return nil
}
