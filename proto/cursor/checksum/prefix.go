package checksum

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

const (
	prefixLen = 8
	// unit is the resolution of the timestamp.
	unit = 1000 * time.Second
	// seed is what the first byte is mixed with.
	seed = 165
)

// plain is a timestamp before obfuscation.
type plain [6]byte

// Prefix is the timestamp of t as the desktop client writes it: in the URL-safe
// alphabet, so without a `/`.
func Prefix(t time.Time) string { return prefixOf(t.UnixMilli() / unit.Milliseconds()) }

func prefixOf(ts int64) string {
	sealed := obfuscate(scriptStyle(ts))
	return base64.RawURLEncoding.EncodeToString(sealed[:])
}

// scriptStyle lays ts out as the client's JavaScript does, where shifting by 40
// and 32 bits is shifting by 8 and 0: the first two bytes repeat the last two.
func scriptStyle(ts int64) plain {
	b := binary.BigEndian.AppendUint64(nil, uint64(ts)) //nolint:gosec // the bits, whatever they mean
	return plain{b[6], b[7], b[4], b[5], b[6], b[7]}
}

func obfuscate(b plain) plain {
	previous := byte(seed)
	for i := range b {
		b[i] = (b[i] ^ previous) + byte(i)
		previous = b[i]
	}
	return b
}

func reveal(c plain) plain {
	var b plain
	previous := byte(seed)
	for i := range c {
		b[i] = (c[i] - byte(i)) ^ previous
		previous = c[i]
	}
	return b
}

var standardAlphabet = strings.NewReplacer("-", "+", "_", "/")

// decodePrefix reads eight characters in either base64 alphabet.
func decodePrefix(prefix string) (plain, error) {
	if len(prefix) != prefixLen {
		return plain{}, ErrPrefix
	}
	raw, err := base64.RawStdEncoding.Strict().DecodeString(standardAlphabet.Replace(prefix))
	if err != nil || len(raw) != len(plain{}) {
		return plain{}, ErrPrefix
	}
	return reveal(plain(raw)), nil
}

// prefixUnit answers the time that a prefix tells, in units of 1,000 s. It knows
// two styles: the client's, and the 48-bit one of many ports, which begins with
// zeros.
func prefixUnit(prefix string, now time.Time) (int64, error) {
	b, err := decodePrefix(prefix)
	if err != nil {
		return 0, err
	}
	ts := int64(b[2])<<24 | int64(b[3])<<16 | int64(b[4])<<8 | int64(b[5])
	script := b[0] == b[4] && b[1] == b[5]
	plain48 := b[0] == 0 && b[1] == 0
	switch {
	case !script && !plain48:
		return 0, ErrNotATime
	case ts > now.UnixMilli()/unit.Milliseconds():
		return 0, ErrFuture
	}
	return ts, nil
}
