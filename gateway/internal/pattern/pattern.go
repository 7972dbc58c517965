// Package pattern knows which names a pattern covers.
package pattern

import "strings"

// Star stands for any text, also for none. A pattern has one.
const Star = "*"

// Is tells whether a text is a pattern, and no name.
func Is(text string) bool { return strings.Contains(text, Star) }

// AnyCovers tells whether one of some patterns covers a name.
func AnyCovers(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if _, covers := Covers(pattern, name); covers {
			return true
		}
	}
	return false
}

// Covers tells whether a pattern covers a name, and what its star stands for there. A text that
// is none covers itself alone.
func Covers(pattern, name string) (stood string, covers bool) {
	before, after, is := strings.Cut(pattern, Star)
	if !is {
		return "", pattern == name
	}
	if len(name) < len(before)+len(after) || !strings.HasPrefix(name, before) || !strings.HasSuffix(name, after) {
		return "", false
	}
	return name[len(before) : len(name)-len(after)], true
}
