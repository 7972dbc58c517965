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

// A key file is made only when somebody says that it may be, and once.
func TestSaveMakesTheFileOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "seal.key")
	load := func() *seal.Keyring {
		t.Helper()
		ring, err := seal.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		return ring
	}
	first, late := load(), load()
	if _, err := os.Stat(path); err == nil || !first.Unsaved() {
		t.Fatalf("a file before Save: %v", err)
	}
	for _, ring := range []*seal.Keyring{first, late} {
		if err := ring.Save(); err != nil || ring.Unsaved() {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info, err)
	}
	sealed := first.Seal(secret.New("x"), "t")
	for name, ring := range map[string]*seal.Keyring{"that came late": late, "that is loaded": load()} {
		if plain, err := ring.Open(sealed, "t"); err != nil || plain.Reveal() != "x" || ring.Active() != first.Active() {
			t.Errorf("the keyring %s has another key: %v", name, err)
		}
	}
	if err := os.WriteFile(path, []byte("rubbish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Load(path); err == nil || !strings.Contains(err.Error(), path+": line 1") {
		t.Errorf("got %v", err)
	}
}

func TestWhoMayReadTheFile(t *testing.T) {
	t.Parallel()
	for mode, refused := range map[os.FileMode]bool{
		0o400: false, 0o600: false, 0o440: false, 0o640: false, 0o644: true, 0o444: true, 0o660: true, 0o602: true, 0o666: true,
	} {
		path := filepath.Join(t.TempDir(), "seal.key")
		if err := os.WriteFile(path, []byte("k1 "+key('a')+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		link := path + ".link" // as Kubernetes has them
		if err := os.Symlink(path, link); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{path, link} {
			if _, err := seal.Load(name); refused != (err != nil) || refused && !strings.Contains(err.Error(), "chmod 600") {
				t.Errorf("mode %#o: %v", mode, err)
			}
		}
	}
}

func TestSignAndVerify(t *testing.T) {
	t.Parallel()
	old := parse(t, "old "+key('a'))
	rotated := parse(t, "new "+key('b')+"\nold "+key('a'))
	signature := old.Sign("https://example.com", "upstream a")
	if err := rotated.Verify(signature, "https://example.com", "upstream a"); err != nil {
		t.Errorf("by an older key: %v", err)
	}
	if rotated.Current(signature) || !rotated.Current(rotated.Sign("x", "")) {
		t.Error("Current does not tell old from new")
	}
	for name, test := range map[string]struct{ signature, text, binding, want string }{
		"another text":    {signature, "https://example.org", "upstream a", "changed"},
		"another record":  {signature, "https://example.com", "upstream b", "changed"},
		"moved border":    {signature, "a https://example.com", "upstream", "changed"},
		"none":            {"", "https://example.com", "upstream a", "no signature"},
		"not a signature": {"hello", "https://example.com", "upstream a", "no signature"},
		"of another key":  {rotated.Sign("https://example.com", "upstream a"), "https://example.com", "upstream a", `"new"`},
		"another key's":   {parse(t, "old "+key('c')).Sign("https://example.com", "upstream a"), "https://example.com", "upstream a", "changed"},
		"a sealed value":  {old.Seal(secret.New("https://example.com"), "upstream a"), "https://example.com", "upstream a", "changed"},
		"cut":             {signature[:len(signature)-3], "https://example.com", "upstream a", "changed"},
		"without a MAC":   {"v1.old.", "https://example.com", "upstream a", "changed"},
	} {
		if err := old.Verify(test.signature, test.text, test.binding); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
