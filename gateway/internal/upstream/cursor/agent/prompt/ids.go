package prompt

import (
	"crypto/sha256"
	"strconv"

	"carousel.internal/gateway/internal/upstream/cursor/identity"
)

// newID makes a UUID for a message or an image of the history. One that is made of content
// also depends on its place, so that no two are equal.
func (b *builder) newID(content string) string {
	if b.options.NewID != nil {
		return b.options.NewID()
	}
	b.ids++
	sum := sha256.Sum256([]byte(strconv.Itoa(b.ids) + ":" + content))
	return identity.IDOf([16]byte(sum[:])) // in the form of random ones, which alone is known to do
}

// keep makes a blob of data, and answers its id.
func (b *builder) keep(data []byte) []byte {
	id := sha256.Sum256(data)
	b.blobs[id] = data
	return id[:]
}
