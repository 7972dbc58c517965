package anthropic

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
)

// groupBytes is how much of an organisation's hash its group has.
const groupBytes = 8

// groupOf is the group of a key, for all keys of an organisation share its limits: a hash,
// since the organisation's id is nobody's business. Empty where the answer doesn't name it.
func groupOf(header http.Header) string {
	id := header.Get("Anthropic-Organization-Id")
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("anthropic organization " + id))
	return hex.EncodeToString(sum[:groupBytes])
}
