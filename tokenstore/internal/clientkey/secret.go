// Package clientkey is what a key that clients send may be: its secret, what an admin may say of
// it, and the state that follows. It does no I/O.
package clientkey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"strings"

	"carousel.internal/proto/service/secret"
)

const (
	secretPrefix = "sk-carousel-"
	// idLength is in characters of base32, secretLength in bytes.
	idLength     = 16
	secretLength = 32
	// shownLength is how many characters at a secret's end are shown.
	shownLength = 4
)

var idForm = regexp.MustCompile(`^[a-z2-7]{16}$`)

// IsID tells whether a key may have the id.
func IsID(id string) bool { return idForm.MatchString(id) }

// NewID makes a random id.
func NewID() string { return strings.ToLower(rand.Text()[:idLength]) }

// NewSecret makes a random secret of the key with this id.
func NewSecret(id string) secret.Value {
	random := make([]byte, secretLength)
	_, _ = rand.Read(random) // never fails
	return secret.New(secretPrefix + id + "-" + base64.RawURLEncoding.EncodeToString(random))
}

// Hash is what is kept of a secret. It has 256 random bits: a slow hash would gain nothing.
func Hash(value secret.Value) [sha256.Size]byte { return sha256.Sum256([]byte(value.Reveal())) }

// Masked is what may be shown of a secret of NewSecret: whose it is, and enough of it to tell it
// from the one before.
func Masked(value secret.Value) string {
	text := value.Reveal()
	return text[:len(secretPrefix)+idLength+1] + "…" + text[len(text)-shownLength:]
}
