package prompt

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// newID makes a UUID for a message or an image of the history. One that is made of content
// also depends on its place, so that no two are equal.
func (b *builder) newID(content string) string {
	if b.options.NewID != nil {
		return b.options.NewID()
	}
	b.ids++
	sum := sha256.Sum256([]byte(strconv.Itoa(b.ids) + ":" + content))
	sum[6] = sum[6]&0x0f | 0x40 // the version of random ones, which is the only one that is known to do
	sum[8] = sum[8]&0x3f | 0x80
	text := hex.EncodeToString(sum[:16])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// keep makes a blob of data, and answers its id.
func (b *builder) keep(data []byte) []byte {
	id := sha256.Sum256(data)
	b.blobs[id] = data
	return id[:]
}
