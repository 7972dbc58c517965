package upstreamsim

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	stampLength = 8
	hashLength  = 64
	// checksumUnit is the time for which a checksum's stamp stays the same.
	checksumUnit = 1_000_000 * time.Millisecond
)

// checksum is what an x-cursor-checksum header says.
type checksum struct {
	stamp  int64  // in checksumUnits since 1970
	device string // 64 hex digits
	mac    string // 64 hex digits, or none
}

// parseChecksum reads a header by position: with the standard alphabet a stamp may
// contain the slash that otherwise stands before the mac hash.
func parseChecksum(header string) (checksum, error) {
	const short, long = stampLength + hashLength, stampLength + hashLength + 1 + hashLength
	var sum checksum
	switch len(header) {
	case short:
	case long:
		if header[short] != '/' {
			return sum, errors.New("no slash before the mac hash")
		}
		sum.mac = header[short+1:]
	default:
		return sum, fmt.Errorf("is %d long instead of %d or %d", len(header), long, short)
	}
	sum.device = header[stampLength:short]
	if !isHex(sum.device) || !isHex(sum.mac) {
		return sum, errors.New("the hashes are not lower-case hex")
	}
	stamp, err := parseStamp(header[:stampLength])
	if err != nil {
		return sum, err
	}
	sum.stamp = stamp
	return sum, nil
}

// parseStamp undoes the obfuscation of the first eight characters. Only the form of
// the real client is taken, in which bytes 0 and 1 repeat bytes 4 and 5; older
// ports have zeros there.
func parseStamp(text string) (int64, error) {
	urlSafe := strings.NewReplacer("+", "-", "/", "_").Replace(text)
	raw, err := base64.RawURLEncoding.DecodeString(urlSafe)
	if err != nil || len(raw) != 6 {
		return 0, errors.New("the timestamp is not base64 of 6 bytes")
	}
	previous := byte(165)
	var plain [6]byte
	for i, coded := range raw {
		plain[i] = (coded - byte(i)) ^ previous
		previous = coded
	}
	switch {
	case plain[0] == plain[4] && plain[1] == plain[5]:
		return int64(plain[2])<<24 | int64(plain[3])<<16 | int64(plain[4])<<8 | int64(plain[5]), nil
	case plain[0] == 0 && plain[1] == 0:
		return 0, errors.New("the timestamp is in the 48-bit form, which the real client does not send")
	default:
		return 0, errors.New("the timestamp is garbled")
	}
}

// fresh tells whether the stamp is at most one unit away from now.
func (c checksum) fresh(now time.Time) bool {
	age := now.UnixMilli()/checksumUnit.Milliseconds() - c.stamp
	return age >= -1 && age <= 1
}

// isHex tells whether a text has only lower-case hex digits.
func isHex(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isUUID tells whether a text has the form of a UUID.
func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		switch i {
		case 8, 13, 18, 23:
			if text[i] != '-' {
				return false
			}
		default:
			if !isHex(text[i : i+1]) {
				return false
			}
		}
	}
	return true
}
