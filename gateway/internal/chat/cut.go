package chat

import "unicode/utf8"

// ellipsis shows that a text goes on.
const ellipsis = "…"

// Cut returns text as it is where it has at most limit bytes, else its beginning of at
// most so many and an ellipsis. No character is cut in two.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return text[:Boundary(text, limit)] + ellipsis
}

// Boundary returns where to cut text: at limit bytes, or just before the character that
// stands across. Bytes that are no UTF-8 are cut anywhere.
func Boundary(text string, limit int) int {
	if len(text) <= limit {
		return len(text)
	}
	for at := max(limit, 0); at >= 0 && at > limit-utf8.UTFMax; at-- {
		if utf8.RuneStart(text[at]) {
			return at
		}
	}
	return max(limit, 0)
}
