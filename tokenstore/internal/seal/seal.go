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
//
// A key file that everybody on the machine may read or write is refused, unless it is
// on a read-only mount, as orchestrators mount secrets (mode 0444 in Kubernetes): there
// the mount decides who sees it.
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
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync/atomic"

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
	path string
	keys atomic.Pointer[keys]
	// unsaved is the key file that Save makes; nil when there is one.
	unsaved []byte
}

// keys are those of one key file.
type keys struct {
	active      string
	ciphers     map[string]cipher.AEAD
	signing     map[string][]byte
	fingerprint []byte
}

// Load reads the key file. Where there is none, the keyring has one random key, and
// Save makes the file of it: whoever knows that nothing is sealed yet.
func Load(path string) (*Keyring, error) {
	ring := &Keyring{path: path}
	err := ring.read()
	if errors.Is(err, fs.ErrNotExist) {
		ring.unsaved = newKeyFile()
		made, err := parse(ring.unsaved)
		if err != nil {
			return nil, fmt.Errorf("make a seal key: %w", err)
		}
		ring.keys.Store(made)
		return ring, nil
	}
	if err != nil {
		return nil, err
	}
	return ring, nil
}

func (k *Keyring) read() error {
	if err := checkAccess(k.path); err != nil {
		return fmt.Errorf("seal key file: %w", err)
	}
	text, err := os.ReadFile(k.path)
	if err != nil {
		return fmt.Errorf("seal key file: %w", err)
	}
	read, err := parse(text)
	if err != nil {
		return fmt.Errorf("seal key file %s: %w", k.path, err)
	}
	k.keys.Store(read)
	return nil
}

// Unsaved tells whether the key file does not exist yet.
func (k *Keyring) Unsaved() bool { return k.unsaved != nil }

// Save makes the key file of a keyring that has none yet. When another process has
// made it meanwhile, that one's keys are taken.
func (k *Keyring) Save() error {
	if k.unsaved == nil {
		return nil
	}
	if _, err := genfile.CreateOnce(k.path, 0o600, k.unsaved); err != nil {
		return fmt.Errorf("seal key file: %w", err)
	}
	if err := k.read(); err != nil {
		return err
	}
	k.unsaved = nil
	return nil
}

// Path is the key file; empty where the keys are from elsewhere.
func (k *Keyring) Path() string { return k.path }

// Active is the id of the key that seals.
func (k *Keyring) Active() string { return k.keys.Load().active }

// Has tells whether there is a key of that id.
func (k *Keyring) Has(id string) bool { return k.keys.Load().ciphers[id] != nil }

// KeyID is the id of the key with which a value is sealed.
func KeyID(sealed string) (id string, is bool) {
	version, rest, _ := strings.Cut(sealed, ".")
	id, _, is = strings.Cut(rest, ".")
	return id, is && (version == format || version == binaryFormat)
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
	read, err := parse(text)
	if err != nil {
		return nil, err
	}
	ring := &Keyring{}
	ring.keys.Store(read)
	return ring, nil
}

func parse(text []byte) (*keys, error) {
	ring := &keys{ciphers: map[string]cipher.AEAD{}, signing: map[string][]byte{}}
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
		if err := ring.add(id, key); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
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

// add takes a key in; the first is the one that seals.
func (k *keys) add(id string, key []byte) (err error) {
	if k.ciphers[id], err = newCipher(key); err != nil {
		return err
	}
	if k.signing[id], err = hkdf.Key(sha256.New, key, nil, "carousel record signature", sha256.Size); err != nil {
		return err
	}
	if k.active == "" {
		k.active = id
	}
	return nil
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
	keys := k.keys.Load()
	return keys.seal(keys.active, plain, binding)
}

// SealWith is Seal with the key of that id.
func (k *Keyring) SealWith(id string, plain secret.Value, binding string) (string, error) {
	if !k.Has(id) {
		return "", fmt.Errorf("key %q is not in the seal key file", id)
	}
	return k.keys.Load().seal(id, plain, binding), nil
}

func (k *keys) seal(id string, plain secret.Value, binding string) string {
	sealed := k.ciphers[id].Seal(nil, nil, []byte(plain.Reveal()), []byte(binding)) //nolint:gosec // this cipher makes its nonces itself, at random
	return format + "." + id + "." + base64.RawURLEncoding.EncodeToString(sealed)
}

// SealBinary is Seal for what need not be text: `v2.<key id>.<nonce and ciphertext>`,
// a quarter shorter.
func (k *Keyring) SealBinary(plain secret.Value, binding string) []byte {
	keys := k.keys.Load()
	aead, text := keys.ciphers[keys.active], []byte(plain.Reveal())
	sealed := make([]byte, 0, len(binaryFormat)+len(keys.active)+2+len(text)+aead.Overhead())
	sealed = append(append(append(append(sealed, binaryFormat...), '.'), keys.active...), '.')
	return aead.Seal(sealed, nil, text, []byte(binding)) //nolint:gosec // this cipher makes its nonces itself, at random
}

// Open undoes Seal and SealBinary.
func (k *Keyring) Open(sealed, binding string) (secret.Value, error) {
	version, rest, _ := strings.Cut(sealed, ".")
	id, text, found := strings.Cut(rest, ".")
	if version != format && version != binaryFormat || !found {
		return secret.Value{}, errors.New("not a sealed value")
	}
	aead := k.keys.Load().ciphers[id]
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

// Current tells whether a value is sealed, or signed, with the key that seals now.
func (k *Keyring) Current(sealed string) bool {
	id, _ := KeyID(sealed)
	return id == k.Active()
}

// Sign returns `v1.<key id>.<base64url of a MAC>` of a text that anybody may read and
// only who has the key may write. It is good for the same binding only.
func (k *Keyring) Sign(text, binding string) string {
	keys := k.keys.Load()
	return format + "." + keys.active + "." + base64.RawURLEncoding.EncodeToString(keys.sign(keys.active, text, binding))
}

// Verify returns nil when Sign has made the signature of this text and binding.
func (k *Keyring) Verify(signature, text, binding string) error {
	id, is := KeyID(signature)
	keys := k.keys.Load()
	switch {
	case !is:
		return errors.New("it has no signature")
	case keys.signing[id] == nil:
		return fmt.Errorf("it is signed with key %q, which is not in the seal key file", id)
	}
	_, encoded, _ := strings.Cut(signature[len(format)+1:], ".")
	mac, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || !hmac.Equal(mac, keys.sign(id, text, binding)) {
		return errors.New("its signature is of another text: somebody else has changed it")
	}
	return nil
}

func (k *keys) sign(id, text, binding string) []byte {
	mac := hmac.New(sha256.New, k.signing[id])
	_, _ = fmt.Fprintf(mac, "%d %s %s", len(binding), binding, text) // never fails
	return mac.Sum(nil)
}

// Fingerprint is a keyed hash of the secret, 16 hex digits: equal secrets have
// equal fingerprints, and without the key nobody can try guesses against it.
func (k *Keyring) Fingerprint(plain secret.Value) string {
	mac := hmac.New(sha256.New, k.keys.Load().fingerprint)
	_, _ = mac.Write([]byte(plain.Reveal())) // never fails
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
