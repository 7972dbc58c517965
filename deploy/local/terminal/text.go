package terminal

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// colour is the code of one, as terminals understand it; empty: as all text.
type colour string

const (
	plain  colour = ""
	faint  colour = "2"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
)

// paint has a text in a colour, where the screen has colours.
func (s *Screen) paint(c colour, text string) string {
	if !s.colours || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// clean is a text as it may be shown: what would move the cursor, change the terminal or turn the
// reading direction is a mark instead. Texts of clients and upstreams can hold anything.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, strings.Join(strings.Fields(text), " "))
}

// columnsOf is how many columns a clean text takes.
func columnsOf(text string) int {
	columns := 0
	for _, r := range text {
		columns += columnsOfRune(r)
	}
	return columns
}

func columnsOfRune(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// cut shortens a text to so many columns, and shows that it has.
func cut(text string, most int) string {
	if columnsOf(text) <= most {
		return text
	}
	taken := 0
	for at, r := range text {
		if taken += columnsOfRune(r); taken > most-1 {
			return text[:at] + strings.Repeat("…", min(most, 1))
		}
	}
	return text
}
