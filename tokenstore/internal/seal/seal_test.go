package seal_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"carousel.internal/proto/service/secret"
	"carousel.internal/tokenstore/internal/seal"
)

func key(fill byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(fill), 32)))
}

func parse(t *testing.T, text string) *seal.Keyring {
	t.Helper()
	ring, err := seal.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	ring := parse(t, "# keys\n\nnew "+key('b')+"\nold "+key('a')+"\n")
	for _, text := range []string{"", "sk-secret", strings.Repeat("x", 5000), "\x00\xff"} {
		sealed := ring.Seal(secret.New(text), "t1")
		if !strings.HasPrefix(sealed, "v1.new.") || text != "" && strings.Contains(sealed, text) {
			t.Errorf("sealed as %q", sealed)
		}
		plain, err := ring.Open(sealed, "t1")
		if err != nil || plain.Reveal() != text {
			t.Errorf("opened %q, %v", plain.Reveal(), err)
		}
		if _, err := ring.Open(sealed, "t2"); err == nil {
			t.Error("opens in another record")
		}
	}
	if a, b := ring.Seal(secret.New("x"), ""), ring.Seal(secret.New("x"), ""); a == b {
		t.Error("sealed twice alike")
	}
}

func TestSealBinary(t *testing.T) {
	t.Parallel()
	ring := parse(t, "k1 "+key('a'))
	for _, text := range []string{"", "what is a lease?", strings.Repeat("x", 5000), "\x00\xff"} {
		sealed := string(ring.SealBinary(secret.New(text), "t1"))
		if !strings.HasPrefix(sealed, "v2.k1.") || text != "" && strings.Contains(sealed, text) || len(sealed) > len(text)+40 {
			t.Errorf("sealed as %q", sealed)
		}
		plain, err := ring.Open(sealed, "t1")
		if err != nil || plain.Reveal() != text {
			t.Errorf("opened %q, %v", plain.Reveal(), err)
		}
		if _, err := ring.Open(sealed, "t2"); err == nil {
			t.Error("opens in another record")
		}
		if _, err := ring.Open("v1"+sealed[2:], "t1"); err == nil {
			t.Error("opens as text")
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	old := parse(t, "old "+key('a'))
	rotated := parse(t, "new "+key('b')+"\nold "+key('a'))
	value := secret.New("sk-secret")
	sealed := old.Seal(value, "t1")
	if plain, err := rotated.Open(sealed, "t1"); err != nil || plain.Reveal() != "sk-secret" {
		t.Errorf("an old value does not open: %v", err)
	}
	if rotated.Current(sealed) || !rotated.Current(rotated.Seal(value, "t1")) {
		t.Error("Current does not tell old from new")
	}
	if old.Fingerprint(value) != rotated.Fingerprint(value) {
		t.Error("a new key changes fingerprints")
	}
	if old.Fingerprint(value) == old.Fingerprint(secret.New("sk-other")) || len(old.Fingerprint(value)) != 16 {
		t.Errorf("fingerprint %q", old.Fingerprint(value))
	}
	_, err := old.Open(rotated.Seal(value, "t1"), "t1")
	if err == nil || !strings.Contains(err.Error(), `"new"`) {
		t.Errorf("a missing key is not named: %v", err)
	}
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"empty":     {"\n# only a comment\n", "no key"},
		"one field": {key('a'), "line 1: a key id and a key"},
		"bad id":    {"k.1 " + key('a'), "line 1: a key id has"},
		"base64":    {"k1 " + key('a') + "\n\nk2 !!!", "line 3: the key is not base64"},
		"short":     {"k1 c2hvcnQ=", "line 1: the key has 5 bytes"},
		"twice":     {"k1 " + key('a') + "\nk1 " + key('b'), "line 2: key id k1 is there twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := seal.Parse([]byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), key('a')) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

func TestDamagedValues(t *testing.T) {
	t.Parallel()
	ring := parse(t, "k1 "+key('a'))
	for _, sealed := range []string{"", "v1", "v1.k1", "v2.k1.AAAA", "plain text", "v1.k1.***", "v1.k1.", "v1.k1.AAAA"} {
		if plain, err := ring.Open(sealed, "t1"); err == nil {
			t.Errorf("%q opens as %q", sealed, plain.Reveal())
		}
	}
}

func TestLoadMakesTheFileOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "seal.key")
	first, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info, err)
	}
	second, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := second.Open(first.Seal(secret.New("x"), "t"), "t"); err != nil || plain.Reveal() != "x" {
		t.Errorf("the second load has another key: %v", err)
	}
	if err := os.WriteFile(path, []byte("rubbish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Load(path); err == nil || !strings.Contains(err.Error(), path+": line 1") {
		t.Errorf("got %v", err)
	}
}
