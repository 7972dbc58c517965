// Package seal keeps secrets unreadable at rest: AES-256-GCM under keys from a
// file. It knows neither what it seals nor where that is stored.
//
// The key file has a key a line, `<id> <base64 of 32 bytes>`; empty lines and
// `#` comments are ignored. The first key seals, all of them open. To rotate,
// put a new key on top, restart, and run `tokenstore reseal`: every value is then
// under the new key, and those in the middle can go.
//
// Fingerprints are made with a key derived from the last one in the file, so
// that putting new keys on top changes none of them. Once the last key is removed
// as well, `tokenstore reseal` makes the fingerprints anew; until that has been
// done, known tokens are not recognized when they are added a second time.
package seal

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"carousel.internal/proto/service/secret"
	"carousel.internal/tokenstore/internal/genfile"
)

const (
	keySize = 32 // bytes: AES-256
	// format is how values begin that are text, binaryFormat those that are not.
	format       = "v1"
	binaryFormat = "v2"
)

// Keyring seals with its first key and opens with any. Safe for concurrent use.
type Keyring struct {
	active      string
	ciphers     map[string]cipher.AEAD
	fingerprint []byte
}

// Load reads the key file, and makes it, with one random key, when there is none.
func Load(path string) (*Keyring, error) {
	if _, err := genfile.CreateOnce(path, 0o600, newKeyFile()); err != nil {
		return nil, fmt.Errorf("seal key file: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("seal key file: %w", err)
	}
	ring, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("seal key file %s: %w", path, err)
	}
	return ring, nil
}

func newKeyFile() []byte {
	var id [4]byte
	var key [keySize]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the program first
	_, _ = rand.Read(key[:])
	return fmt.Appendf(nil, "k%x %s\n", id, base64.StdEncoding.EncodeToString(key[:]))
}

var keyID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// Parse reads the text of a key file. Its errors name lines, never their content.
func Parse(text []byte) (*Keyring, error) {
	ring := &Keyring{ciphers: map[string]cipher.AEAD{}}
	var last []byte
	lines := bufio.NewScanner(bytes.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, key, err := parseKey(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if ring.ciphers[id] != nil {
			return nil, fmt.Errorf("line %d: key id %s is there twice", number, id)
		}
		if ring.ciphers[id], err = newCipher(key); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if ring.active == "" {
			ring.active = id
		}
		last = key
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if ring.active == "" {
		return nil, errors.New("no key in it")
	}
	var err error
	ring.fingerprint, err = hkdf.Key(sha256.New, last, nil, "carousel token fingerprint", sha256.Size)
	return ring, err
}

func parseKey(line string) (id string, key []byte, err error) {
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return "", nil, errors.New("a key id and a key wanted, with a space between")
	}
	if !keyID.MatchString(fields[0]) {
		return "", nil, errors.New("a key id has 1 to 32 letters, digits, `-` or `_`")
	}
	key, err = base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return "", nil, errors.New("the key is not base64")
	}
	if len(key) != keySize {
		return "", nil, fmt.Errorf("the key has %d bytes, not %d", len(key), keySize)
	}
	return fields[0], key, nil
}

func newCipher(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Seal answers `v1.<key id>.<base64url of nonce and ciphertext>`. The value opens
// only with the same binding, such as the id of the record that it is part of, so
// that it can't be moved to another.
func (k *Keyring) Seal(plain secret.Value, binding string) string {
	sealed := k.ciphers[k.active].Seal(nil, nil, []byte(plain.Reveal()), []byte(binding)) //nolint:gosec // this cipher makes its nonces itself, at random
	return format + "." + k.active + "." + base64.RawURLEncoding.EncodeToString(sealed)
}

// SealBinary is Seal for what need not be text: `v2.<key id>.<nonce and ciphertext>`,
// a quarter shorter.
func (k *Keyring) SealBinary(plain secret.Value, binding string) []byte {
	aead, text := k.ciphers[k.active], []byte(plain.Reveal())
	sealed := make([]byte, 0, len(binaryFormat)+len(k.active)+2+len(text)+aead.Overhead())
	sealed = append(append(append(append(sealed, binaryFormat...), '.'), k.active...), '.')
	return aead.Seal(sealed, nil, text, []byte(binding)) //nolint:gosec // this cipher makes its nonces itself, at random
}

// Open undoes Seal and SealBinary.
func (k *Keyring) Open(sealed, binding string) (secret.Value, error) {
	version, rest, _ := strings.Cut(sealed, ".")
	id, text, found := strings.Cut(rest, ".")
	if version != format && version != binaryFormat || !found {
		return secret.Value{}, errors.New("not a sealed value")
	}
	aead := k.ciphers[id]
	if aead == nil {
		return secret.Value{}, fmt.Errorf("sealed with key %q, which is not in the seal key file", id)
	}
	raw := []byte(text)
	if version == format {
		var err error
		if raw, err = base64.RawURLEncoding.DecodeString(text); err != nil {
			return secret.Value{}, errors.New("a sealed value is damaged: not base64")
		}
	}
	plain, err := aead.Open(nil, nil, raw, []byte(binding))
	if err != nil {
		return secret.Value{}, fmt.Errorf("a sealed value does not open with key %q: changed, or moved from another record", id)
	}
	return secret.New(string(plain)), nil
}

// Current tells whether a value of Seal is sealed with the key that seals now.
func (k *Keyring) Current(sealed string) bool {
	return strings.HasPrefix(sealed, format+"."+k.active+".")
}

// Fingerprint is a keyed hash of the secret, 16 hex digits: equal secrets have
// equal fingerprints, and without the key nobody can try guesses against it.
func (k *Keyring) Fingerprint(plain secret.Value) string {
	mac := hmac.New(sha256.New, k.fingerprint)
	_, _ = mac.Write([]byte(plain.Reveal())) // never fails
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
