package redisstore

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/s2"

	"carousel.internal/proto/service/secret"
)

// A text is compressed before it is sealed: afterwards it can't be. These letters stand before what
// was; sealed values begin with another one.
const (
	// deflated are short texts: what codes each byte by how frequent it is makes them shorter.
	deflated = "z"
	// matched are long ones, of S2, which finds what repeats in a fifth of the time.
	matched = "s"
)

// leastDeflated and leastMatched are the lengths, in bytes, from which a text is compressed so.
const (
	leastDeflated = 256
	leastMatched  = 4 << 10
)

// deflaters are kept, because each has tables of some hundred KiB.
var deflaters = sync.Pool{New: func() any {
	deflater, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is a valid one
	return deflater
}}

var errUnpacked = errors.New("what was sealed is not what was expected, or too long")

// sealPacked returns a text as it is stored: compressed where that makes it shorter, and
// sealed.
func (s *Store) sealPacked(text []byte, binding string) []byte {
	var letter string
	packed := text
	switch {
	case len(text) >= leastMatched:
		letter, packed = matched, s2.EncodeBetter(nil, text)
	case len(text) >= leastDeflated:
		letter, packed = deflated, deflate(text)
	}
	if len(packed) >= len(text) {
		letter, packed = "", text
	}
	return append([]byte(letter), s.keys.SealBinary(secret.New(string(packed)), binding)...)
}

func deflate(text []byte) []byte {
	var packed bytes.Buffer
	deflater, _ := deflaters.Get().(*flate.Writer)
	deflater.Reset(&packed)
	_, _ = deflater.Write(text) // a buffer takes everything
	_ = deflater.Close()
	deflaters.Put(deflater)
	return packed.Bytes()
}

// openPacked undoes sealPacked for a text of at most so many bytes.
func (s *Store) openPacked(stored, binding string, most int) (string, error) {
	letter, sealed := cutLetter(stored)
	plain, err := s.keys.Open(sealed, binding)
	if err != nil {
		return "", err
	}
	switch letter {
	case deflated:
		return inflate(plain.Reveal(), most)
	case matched:
		return unmatch([]byte(plain.Reveal()), most)
	default:
		return plain.Reveal(), nil
	}
}

func inflate(packed string, most int) (string, error) {
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(strings.NewReader(packed)), int64(most)+1))
	if err != nil || len(text) > most {
		return "", errUnpacked
	}
	return string(text), nil
}

// unmatch undoes what S2 has done.
func unmatch(packed []byte, most int) (string, error) {
	if size, err := s2.DecodedLen(packed); err != nil || size > most {
		return "", errUnpacked
	}
	text, err := s2.Decode(nil, packed)
	if err != nil {
		return "", errUnpacked
	}
	return string(text), nil
}

// packedWithCurrent tells whether the key that seals now has sealed what is stored.
func (s *Store) packedWithCurrent(stored string) bool {
	_, sealed := cutLetter(stored)
	return s.keys.Current(sealed)
}

// cutLetter takes off what tells how a text was compressed.
func cutLetter(stored string) (letter, sealed string) {
	if strings.HasPrefix(stored, deflated) || strings.HasPrefix(stored, matched) {
		return stored[:1], stored[1:]
	}
	return "", stored
}
