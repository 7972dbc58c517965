package certfile_test

import (
	"bytes"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/proto/service/authority"
	"carousel.internal/proto/service/certfile"
)

// bench has files and who makes what is in them.
type bench struct {
	t      *testing.T
	paths  certfile.Paths
	log    *journal
	signer *authority.Authority
}

type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), text)
}

func newBench(t *testing.T) *bench {
	t.Helper()
	folder := t.TempDir()
	b := &bench{t: t, log: &journal{}, paths: certfile.Paths{
		Certificate: filepath.Join(folder, "tls.crt"), Key: filepath.Join(folder, "tls.key"), Authorities: filepath.Join(folder, "ca.crt"),
	}}
	b.signer = b.authority()
	b.write(b.paths.Authorities, authority.CertificatePEM(b.signer.Certificate))
	pair := b.pair("first")
	b.write(b.paths.Certificate, pair.Certificate)
	b.write(b.paths.Key, pair.Key)
	return b
}

func (b *bench) authority() *authority.Authority {
	b.t.Helper()
	made, err := authority.New("authority", authority.For(time.Now(), time.Hour))
	if err != nil {
		b.t.Fatal(err)
	}
	return made
}

func (b *bench) pair(name string) authority.Pair {
	b.t.Helper()
	pair, err := b.signer.Issue(authority.Leaf{Hosts: []string{name}, Client: true, Span: authority.For(time.Now(), time.Hour)})
	if err != nil {
		b.t.Fatal(err)
	}
	return pair
}

func (b *bench) write(path string, text []byte) {
	b.t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) open() *certfile.Files {
	b.t.Helper()
	files, err := certfile.Open(b.paths, slog.New(slog.NewTextHandler(b.log, nil)))
	if err != nil {
		b.t.Fatal(err)
	}
	return files
}

func (b *bench) wantName(files *certfile.Files, want string) {
	b.t.Helper()
	if got := files.Current().Certificate.Leaf.Subject.CommonName; got != want {
		b.t.Errorf("the certificate is %q's, want %q's", got, want)
	}
}

// A pair is two files, which nobody can replace at a time: what was whole before holds meanwhile.
func TestAHalfReplacedPairDoesNotCount(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	files := b.open()
	b.wantName(files, "first")
	second := b.pair("second")
	b.write(b.paths.Key, second.Key)
	for range 3 {
		b.wantName(files, "first")
	}
	if said := b.log.count("level=WARN"); said != 1 || b.log.count("are no pair") != 1 {
		t.Errorf("it was said %d times", said)
	}
	b.write(b.paths.Certificate, second.Certificate)
	b.wantName(files, "second")
	if b.log.count("level=INFO") != 1 || b.log.count("certificate files have changed") != 1 {
		t.Errorf("the change was not said once:\n%s", &b.log.text)
	}
}

// Whatever is wrong with a file, the last good ones hold, and count again without a change.
func TestFilesThatCanNotBeUsedDoNotCount(t *testing.T) {
	t.Parallel()
	both := func(b *bench) []byte {
		return append(authority.CertificatePEM(b.signer.Certificate), authority.CertificatePEM(b.authority().Certificate)...)
	}
	for name, c := range map[string]struct {
		spoil func(b *bench) (path string, text []byte)
		says  string
	}{
		"a bundle that is half written": {func(b *bench) (string, []byte) { all := both(b); return b.paths.Authorities, all[:len(all)-40] }, "is not whole"},
		"an empty bundle":               {func(b *bench) (string, []byte) { return b.paths.Authorities, nil }, "has no certificate"},
		"an empty certificate":          {func(b *bench) (string, []byte) { return b.paths.Certificate, nil }, "has no certificate"},
		"text":                          {func(b *bench) (string, []byte) { return b.paths.Key, []byte("hello") }, "are no pair"},
		"an endless file":               {func(b *bench) (string, []byte) { return b.paths.Authorities, make([]byte, 2<<20) }, "more than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			files := b.open()
			before := files.Current()
			path, text := c.spoil(b)
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b.write(path, text)
			if files.Current() != before {
				t.Error("it counts")
			}
			if b.log.count(c.says) != 1 {
				t.Errorf("the log says\n%s", &b.log.text)
			}
			if _, err := certfile.Open(b.paths, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("a start with it says %v", err)
			}
			b.write(path, good)
			if files.Current() != before {
				t.Error("the files of before don't count")
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if files.Current() != before || b.log.count("no such file") != 1 {
				t.Error("a file that is gone counts")
			}
		})
	}
}

func TestAuthoritiesAreReplaced(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	files, next := b.open(), b.authority()
	trusts := func(a *authority.Authority) bool {
		_, err := a.Certificate.Verify(x509.VerifyOptions{Roots: files.Current().Authorities})
		return err == nil
	}
	old, fresh := authority.CertificatePEM(b.signer.Certificate), authority.CertificatePEM(next.Certificate)
	for _, step := range []struct {
		bundle              []byte
		trustsOld, trustNew bool
	}{
		{old, true, false},
		{append([]byte("# the old one\n"), append(old, append([]byte("# the new one\n"), fresh...)...)...), true, true},
		{fresh, false, true},
	} {
		b.write(b.paths.Authorities, step.bundle)
		if got, gotNew := trusts(b.signer), trusts(next); got != step.trustsOld || gotNew != step.trustNew {
			t.Errorf("it trusts the old one %v, the new one %v, want %v, %v", got, gotNew, step.trustsOld, step.trustNew)
		}
	}
}

func TestWhatIsNotNamedIsNotThere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, paths := range map[string]certfile.Paths{
		"only authorities": {Authorities: b.paths.Authorities}, "only a pair": {Certificate: b.paths.Certificate, Key: b.paths.Key},
	} {
		files, err := certfile.Open(paths, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		now := files.Current()
		if (now.Certificate != nil) != (paths.Certificate != "") || (now.Authorities != nil) != (paths.Authorities != "") {
			t.Errorf("%s: %+v", name, now)
		}
		if files.Expires().IsZero() != (paths.Certificate == "") {
			t.Errorf("%s: it expires at %s", name, files.Expires())
		}
	}
}
