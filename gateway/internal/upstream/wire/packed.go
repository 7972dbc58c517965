package wire

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// PackedError is an answer in an encoding that was not asked for, and is not understood.
type PackedError struct{ Encoding string }

// Error implements error.
func (e PackedError) Error() string {
	return fmt.Sprintf("the upstream has packed its answer with %q, though `identity` was asked for; gzip and deflate would be understood", e.Encoding)
}

// isDamaged tells whether a packed answer can't be unpacked.
func isDamaged(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.As(err, &corrupt) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) ||
		errors.Is(err, zlib.ErrHeader) || errors.Is(err, zlib.ErrChecksum) || errors.Is(err, zlib.ErrDictionary)
}

// MaxEncodings bounds how often an answer may be packed.
const MaxEncodings = 3

// Unpacked returns a body as it was before an upstream, or something on the way, has
// packed it in spite of what was asked for. The header is a hint: the first bytes say
// whether the body is packed.
func Unpacked(header http.Header, body io.Reader) (io.Reader, error) {
	if len(header["Content-Encoding"]) == 0 {
		return body, nil
	}
	encodings := strings.Split(strings.Join(header["Content-Encoding"], ","), ",")
	if len(encodings) > MaxEncodings {
		return nil, PackedError{strings.Join(encodings, ",")}
	}
	for i := len(encodings) - 1; i >= 0; i-- {
		var err error
		if body, err = unpack(strings.ToLower(strings.TrimSpace(encodings[i])), body); err != nil {
			return nil, err
		}
	}
	return body, nil
}

// ReadRefusal reads at most limit bytes of the body of a refusal, unpacked. Some are packed
// with gzip without a word of it.
func ReadRefusal(response *http.Response, limit int) ([]byte, error) {
	body, err := Unpacked(response.Header, response.Body)
	if err != nil {
		return nil, err
	}
	said, err := ReadAll(io.LimitReader(body, int64(limit)), response.ContentLength, limit)
	if !isGzip(said) {
		return said, err
	}
	body, err = unpack("gzip", bytes.NewReader(said))
	if err != nil {
		return nil, err
	}
	return ReadAll(io.LimitReader(body, int64(limit)), -1, limit)
}

// unpack returns a body as it was before it was packed.
func unpack(encoding string, body io.Reader) (io.Reader, error) {
	switch encoding {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		buffered := bufio.NewReader(body)
		if first, _ := buffered.Peek(2); !isGzip(first) {
			return buffered, nil
		}
		return gzip.NewReader(buffered)
	case "deflate": // zlib by the standard, the bare form by habit
		buffered := bufio.NewReader(body)
		first, _ := buffered.Peek(2)
		switch {
		case isZlib(first):
			return zlib.NewReader(buffered)
		case isPlain(first):
			return buffered, nil
		}
		return flate.NewReader(buffered), nil
	default: // some say `utf-8`, or what something on the way has unpacked
		buffered := bufio.NewReader(body)
		if first, _ := buffered.Peek(2); isPlain(first) {
			return buffered, nil
		}
		return nil, PackedError{encoding}
	}
}

// isGzip tells whether a body that begins so is packed with gzip.
func isGzip(first []byte) bool { return bytes.HasPrefix(first, []byte("\x1f\x8b")) }

// isZstd tells whether a body that begins so is packed with zstd.
func isZstd(first []byte) bool { return bytes.HasPrefix(first, []byte("\x28\xb5\x2f\xfd")) }

// isZlib tells whether the two bytes are a header of zlib: its method, and a check sum.
func isZlib(first []byte) bool {
	return len(first) == 2 && first[0]&0xf == 8 && (int(first[0])<<8|int(first[1]))%31 == 0
}

// isPlain tells whether an answer of any kind begins so: an object, a page, a field of
// an event, a comment.
func isPlain(first []byte) bool {
	switch string(first) {
	case "da", "ev", "id", "re", "":
		return true
	}
	return len(first) < 2 || bytes.IndexByte([]byte("{[<: \t\r\n\xef"), first[0]) >= 0
}
