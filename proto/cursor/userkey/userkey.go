// Package userkey knows the keys of Cursor's users, which are exchanged for access tokens.
package userkey

import "strings"

var prefixes = []string{"crsr_", "key_"}

// Is tells whether a text is such a key, as far as its beginning says.
func Is(text string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}
