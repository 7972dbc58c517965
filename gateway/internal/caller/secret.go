package caller

import (
	"crypto/sha256"
	"strings"
)

// The form of a client key's secret:
//
//	sk-carousel-<id>-<secret part>
const (
	secretPrefix = "sk-carousel-"
	// idLength is that of an id: characters of a to z and 2 to 7.
	idLength = 16
	// partLength is that of the secret part: characters of base64url.
	partLength = 43
)

// Secret is what a client key's secret tells without being kept: whose it claims to be, and its
// SHA-256.
type Secret struct {
	ID   string
	Hash [sha256.Size]byte
}

// ParseSecret reads a client key's secret; false for a text that has not its form, and so can't be
// one.
func ParseSecret(text string) (Secret, bool) {
	rest, prefixed := strings.CutPrefix(text, secretPrefix)
	if !prefixed || len(rest) != idLength+1+partLength || rest[idLength] != '-' {
		return Secret{}, false
	}
	id := rest[:idLength]
	if !isOf(id, isIDCharacter) || !isOf(rest[idLength+1:], isBase64URL) {
		return Secret{}, false
	}
	return Secret{ID: strings.Clone(id), Hash: sha256.Sum256([]byte(text))}, true
}

func isOf(text string, allowed func(character byte) bool) bool {
	for i := range len(text) {
		if !allowed(text[i]) {
			return false
		}
	}
	return true
}

func isIDCharacter(c byte) bool { return 'a' <= c && c <= 'z' || '2' <= c && c <= '7' }

func isBase64URL(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
