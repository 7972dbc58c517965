package chat

import (
	"bytes"
	"strings"
)

// ownSeal begins what stands in the place of a seal in a dialect that has one, where the
// dialect's own vendor has not made it. No vendor's seal has a colon.
const ownSeal = "carousel:"

// ForeignSeal is what a client of another dialect than the maker's is given as the seal of
// reasoning, and brings back: it names the maker, and no vendor takes it for its own.
// Both may be empty.
func ForeignSeal(maker, seal string) string { return ownSeal + maker + ":" + seal }

// OfForeignSeal takes apart what ForeignSeal has made; false: it has not. An upstream is
// never to be sent such a seal.
func OfForeignSeal(text string) (maker, seal string, ok bool) {
	rest, ok := strings.CutPrefix(text, ownSeal)
	if !ok {
		return "", "", false
	}
	maker, seal, _ = strings.Cut(rest, ":")
	return maker, seal, true
}

// MayHaveForeignSeals tells whether there may be a foreign seal in a JSON text.
func MayHaveForeignSeals(json []byte) bool { return bytes.Contains(json, []byte(ownSeal)) }
