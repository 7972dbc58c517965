// Package checksum makes and reads the value of the header x-cursor-checksum:
// an obfuscated timestamp of eight characters, a device id of 64 hex digits and
// usually `/` and a mac hash of 64 more.
//
// The two hashes are a token's material, stable for its life: the upstream
// counts the devices of an account. The timestamp says only when the request was
// made, so it is never stored. The package does no I/O, reads no clock and knows
// no token.
package checksum

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Lengths in characters.
const (
	hashLen     = 2 * sha256.Size               // 64
	shortLen    = prefixLen + hashLen           // 72: timestamp, device id
	fullLen     = prefixLen + hashLen + tailLen // 137: timestamp, device id, `/`, mac hash
	materialLen = hashLen + tailLen             // 129: device id, `/`, mac hash
	tailLen     = 1 + hashLen
)

// The reasons why a text is no checksum. None repeats the text: with a token, it
// is half of a credential.
var (
	ErrLength    = errors.New("a checksum has 72 or 137 characters, or 129 without its timestamp")
	ErrPrefix    = errors.New("the first 8 characters of the checksum are not base64")
	ErrDevice    = errors.New("the checksum's device id is not 64 hex digits")
	ErrSeparator = errors.New("the checksum's device id and mac hash are not separated by /")
	ErrMAC       = errors.New("the checksum's mac hash is not 64 hex digits")
	ErrNotATime  = errors.New("the first 8 characters of the checksum do not decode to a timestamp")
	ErrFuture    = errors.New("the checksum's timestamp lies in the future")
)

// Material is what of a checksum belongs to a token.
type Material struct {
	// DeviceID and MACHash are 64 hex digits each. MACHash is empty in the short
	// form of 72 characters.
	DeviceID string
	MACHash  string
}

// New makes random material.
func New() Material { return Material{DeviceID: newHash(), MACHash: newHash()} }

func newHash() string {
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails: it ends the process instead
	sum := sha256.Sum256(seed[:])
	return hex.EncodeToString(sum[:])
}

// Parse reads the material of a checksum. It splits by position, because a
// timestamp in standard base64 may itself hold a `/`. Whatever time the timestamp
// tells is fine, since At makes a new one; Validate is stricter.
func Parse(text string) (Material, error) {
	p, err := read(text)
	return Material{DeviceID: p.device, MACHash: p.mac}, err
}

// Validate tells whether an upstream that looks closely would take the checksum:
// it parses, and its timestamp is a time of either style that is not in the
// future.
func Validate(text string, now time.Time) error {
	p, err := read(text)
	if err != nil {
		return err
	}
	if p.prefix == "" {
		return fmt.Errorf("%w: it has none", ErrNotATime)
	}
	_, err = prefixUnit(p.prefix, now)
	return err
}

// At is the header's value at t.
func (m Material) At(t time.Time) string {
	if m.MACHash == "" {
		return Prefix(t) + m.DeviceID
	}
	return Prefix(t) + m.DeviceID + "/" + m.MACHash
}

// parts are the pieces of a checksum.
type parts struct {
	prefix, device, mac string
	hasMAC              bool
}

// read splits and checks each piece for itself.
func read(text string) (parts, error) {
	p, err := split(strings.TrimSpace(text))
	if err != nil {
		return parts{}, err
	}
	if p.prefix != "" {
		if _, err := decodePrefix(p.prefix); err != nil {
			return parts{}, err
		}
	}
	if !isHash(p.device) {
		return parts{}, ErrDevice
	}
	if p.hasMAC && !isHash(p.mac) {
		return parts{}, ErrMAC
	}
	return p, nil
}

// split cuts by position and checks nothing but lengths.
func split(text string) (parts, error) {
	var p parts
	switch len(text) {
	case shortLen, fullLen:
		p.prefix, text = text[:prefixLen], text[prefixLen:]
	case materialLen:
	default:
		return parts{}, ErrLength
	}
	p.device, text = text[:hashLen], text[hashLen:]
	if text == "" {
		return p, nil
	}
	if text[0] != '/' {
		return parts{}, ErrSeparator
	}
	p.mac, p.hasMAC = text[1:], true
	return p, nil
}

func isHash(text string) bool {
	if len(text) != hashLen {
		return false
	}
	_, err := hex.DecodeString(text)
	return err == nil
}
