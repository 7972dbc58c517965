package foreign

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
)

// NameSet is names that are taken.
type NameSet map[string]bool

// Unique is the name, or the name with a number that nobody has, and takes it. most bounds it, in
// bytes.
func (n NameSet) Unique(name string, most int) string {
	unique := cut(name, most)
	for i := 2; n[unique]; i++ {
		suffix := fmt.Sprintf("-%d", i)
		unique = cut(name, most-len(suffix)) + suffix
	}
	n[unique] = true
	return unique
}

// Bounds of names, in bytes.
const (
	MaxUpstream = 40
	MaxRoute    = 64
	maxAlias    = 100
)

// upstreamName makes a name that an upstream can have.
func upstreamName(text string) string {
	name := slug(text, "-_")
	if name == "" || name[0] < 'a' || name[0] > 'z' {
		name = strings.TrimRight("upstream-"+name, "-")
	}
	return cut(name, MaxUpstream)
}

// routeName makes a name that a route can have.
func routeName(match string) string {
	if name := slug(strings.ReplaceAll(match, "*", "any"), "-_."); name != "" {
		return cut(name, MaxRoute)
	}
	return "route"
}

// slug keeps lower-case letters, digits and the marks, and has a hyphen for all else.
func slug(text, marks string) string {
	var name strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', strings.ContainsRune(marks, r):
			name.WriteRune(r)
		case !strings.HasSuffix(name.String(), "-"):
			name.WriteByte('-')
		}
	}
	return strings.Trim(name.String(), "-_.")
}

// aliasOf makes an alias of what a token is called elsewhere: what an alias may not have becomes a
// space.
func aliasOf(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == ',' || r == ':' || r == '：' || r == utf8.RuneError || unicode.IsControl(r) || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.TrimLeft(strings.Join(strings.Fields(text), " "), "#")
	return cut(strings.TrimSpace(text), maxAlias)
}

// cut shortens a text to so many bytes, at a whole character.
func cut(text string, most int) string { return strings.TrimSpace(text[:chat.Boundary(text, most)]) }

// BaseURL is a base URL without what differs between spellings of the same; empty where it is none.
func BaseURL(text string) string {
	base, err := url.Parse(strings.TrimSpace(text))
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Hostname() == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return ""
	}
	base.Host = strings.ToLower(base.Host)
	base.Path, base.RawPath = strings.TrimRight(base.Path, "/"), ""
	return base.String()
}

// hostName is what an upstream at an address is called where nobody says: the host without what all
// have in common.
func hostName(base string) string {
	address, err := url.Parse(base)
	if err != nil {
		return ""
	}
	host := address.Hostname()
	host = strings.TrimPrefix(strings.TrimPrefix(host, "www."), "api.")
	if name, _, dotted := strings.Cut(host, "."); dotted && strings.IndexFunc(name, unicode.IsLetter) >= 0 {
		return name
	}
	return host
}
