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

// compressed begins a prompt that was compressed before it was sealed: afterwards nothing
// can be. Sealed values begin with another letter.
const compressed = "z"

// leastCompressed is the length, in bytes, from which a prompt is compressed.
const leastCompressed = 256

// deflaters are kept, because each has tables of some hundred KiB.
var deflaters = sync.Pool{New: func() any {
	deflater, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is a valid one
	return deflater
}}

// sealPrompt returns a prompt as it is stored.
func (s *Store) sealPrompt(text, binding string) []byte {
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

// openPrompt undoes sealPrompt.
func (s *Store) openPrompt(stored, binding string) (string, error) {
	sealed, packed := strings.CutPrefix(stored, compressed)
	plain, err := s.keys.Open(sealed, binding)
	if err != nil || !packed {
		return plain.Reveal(), err
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(strings.NewReader(plain.Reveal())), maxPrompt+1))
	if err != nil || len(text) > maxPrompt {
		return "", errors.New("what was sealed is not a prompt")
	}
	return string(text), nil
}
