package redisstore

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"strings"
	"sync"

	"carousel.internal/proto/service/secret"
)

// compressed begins a text that was compressed before it was sealed: afterwards nothing
// can be. Sealed values begin with another letter.
const compressed = "z"

// leastCompressed is the length, in bytes, from which a text is compressed.
const leastCompressed = 256

// deflaters are kept, because each has tables of some hundred KiB.
var deflaters = sync.Pool{New: func() any {
	deflater, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is a valid one
	return deflater
}}

var errUnpacked = errors.New("what was sealed is not what was expected, or too long")

// sealPacked returns a text as it is stored: compressed where that makes it shorter, and
// sealed.
func (s *Store) sealPacked(text, binding string) []byte {
	if len(text) >= leastCompressed {
		var packed bytes.Buffer
		deflater, _ := deflaters.Get().(*flate.Writer)
		deflater.Reset(&packed)
		_, _ = io.WriteString(deflater, text) // a buffer takes everything
		_ = deflater.Close()
		deflaters.Put(deflater)
		if packed.Len() < len(text) {
			return append([]byte(compressed), s.keys.SealBinary(secret.New(packed.String()), binding)...)
		}
	}
	return s.keys.SealBinary(secret.New(text), binding)
}

// openPacked undoes sealPacked for a text of at most so many bytes.
func (s *Store) openPacked(stored, binding string, most int) (string, error) {
	sealed, packed := strings.CutPrefix(stored, compressed)
	plain, err := s.keys.Open(sealed, binding)
	if err != nil || !packed {
		return plain.Reveal(), err
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(strings.NewReader(plain.Reveal())), int64(most)+1))
	if err != nil || len(text) > most {
		return "", errUnpacked
	}
	return string(text), nil
}

// packedWithCurrent tells whether the key that seals now has sealed what is stored.
func (s *Store) packedWithCurrent(stored string) bool {
	return s.keys.Current(strings.TrimPrefix(stored, compressed))
}
