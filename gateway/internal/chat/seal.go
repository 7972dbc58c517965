package chat

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"
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

// summaryMaker is in the place of a seal's maker where a conversation in short is in it, and
// summaryBefore stands before that for a model that goes on with it.
const (
	summaryMaker  = "summary"
	summaryBefore = "The conversation so far, in short:\n\n"
)

// SealSummary is what a client is given as a conversation in short that was written here, and
// brings back in the place of the conversation.
func SealSummary(text string) string {
	return ForeignSeal(summaryMaker, base64.StdEncoding.EncodeToString([]byte(text)))
}

// OfSealedSummary is what a user would say in the place of a conversation in short; false: the
// seal is none of SealSummary's.
func OfSealedSummary(seal string) (text string, ok bool) {
	maker, packed, foreign := OfForeignSeal(seal)
	if !foreign || maker != summaryMaker {
		return "", false
	}
	plain, err := base64.StdEncoding.DecodeString(packed)
	if err != nil || !utf8.Valid(plain) {
		return "", false
	}
	return summaryBefore + string(plain), true
}

// MayHaveForeignSeals tells whether there may be a foreign seal in a JSON text.
func MayHaveForeignSeals(json []byte) bool { return bytes.Contains(json, []byte(ownSeal)) }
