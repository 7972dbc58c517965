package wire

import (
	"errors"
	"io"
)

// ErrTooLarge ends the reading of what is larger than its bound.
var ErrTooLarge = errors.New("the answer is too large")

// Room for a body: what its announced length is believed, and what one without a
// length begins with.
const (
	trustedLength = 256 << 10
	unknownLength = 4 << 10
)

// ReadAll reads a body of at most limit bytes. length is the announced one, or
// -1.
func ReadAll(body io.Reader, length int64, limit int) ([]byte, error) {
	if length < 0 {
		length = unknownLength
	}
	data := make([]byte, 0, min(length, trustedLength)+1)
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := body.Read(data[len(data):min(cap(data), limit+1)])
		data = data[:len(data)+n]
		switch {
		case len(data) > limit:
			return nil, ErrTooLarge
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		}
	}
}
