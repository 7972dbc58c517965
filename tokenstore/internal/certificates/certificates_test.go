package certificates_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/proto/service/authority"
	"carousel.internal/tokenstore/internal/certificates"
)

const life = 90 * 24 * time.Hour

// bench is a folder whose clock the test sets.
type bench struct {
	certificates.Folder
	t   *testing.T
	now time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	b.Folder = certificates.Folder{
		Path: filepath.Join(t.TempDir(), "tls"), Life: life, Now: func() time.Time { return b.now },
		Holders: []certificates.Holder{{Name: "tokenstore", Hosts: []string{"tokenstore", "127.0.0.1"}, Server: true}, {Name: "gateway", Hosts: []string{"gateway"}}},
	}
	return b
}

func (b *bench) keep() []string {
	b.t.Helper()
	done, err := b.Keep()
	if err != nil {
		b.t.Fatal(err)
	}
	return done
}

func (b *bench) rotate(want certificates.Step) {
	b.t.Helper()
	if step, _, err := b.Rotate(); err != nil || step != want {
		b.t.Fatalf("the step was %q, %v, want %q", step, err, want)
	}
}

func (b *bench) read(names ...string) []byte {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{b.Path}, names...)...))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// holder is what a service would have of its folder now.
type holder struct {
	own     *x509.Certificate
	trusted *x509.CertPool
}

func (b *bench) holder(name string) holder {
	b.t.Helper()
	pair, err := tls.X509KeyPair(b.read(name, "tls.crt"), b.read(name, "tls.key"))
	if err != nil {
		b.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b.read(name, "ca.crt")) {
		b.t.Fatal("nobody is trusted")
	}
	return holder{pair.Leaf, pool}
}

// meet tells whether a gateway and a tokenstore with these would talk.
func (b *bench) meet(gateway, tokenstore holder) {
	b.t.Helper()
	_, err := tokenstore.own.Verify(x509.VerifyOptions{
		Roots: gateway.trusted, DNSName: "tokenstore", CurrentTime: b.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		b.t.Errorf("the gateway refuses: %v", err)
	}
	_, err = gateway.own.Verify(x509.VerifyOptions{Roots: tokenstore.trusted, CurrentTime: b.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		b.t.Errorf("the tokenstore refuses: %v", err)
	}
}

func TestWhatIsMissingIsMade(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if done := b.keep(); len(done) != 3 {
		t.Errorf("it has done %q", done)
	}
	gateway, tokenstore := b.holder("gateway"), b.holder("tokenstore")
	b.meet(gateway, tokenstore)
	if !slices.Equal(gateway.own.DNSNames, []string{"gateway"}) || !slices.Equal(tokenstore.own.DNSNames, []string{"tokenstore"}) || len(tokenstore.own.IPAddresses) != 1 {
		t.Errorf("the names are %v, %v", gateway.own.DNSNames, tokenstore.own.DNSNames)
	}
	if done := b.keep(); len(done) != 0 {
		t.Errorf("the second time it has done %q", done)
	}
	for path, want := range map[string]os.FileMode{"authority": 0o700, "authority/ca.pem": 0o600, "gateway/tls.key": 0o640} {
		if info, err := os.Stat(filepath.Join(b.Path, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}

func TestWhatIsDueIsRenewed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(b *bench)
		// done is what is said, once for each certificate that is made; empty: none is.
		done string
		made int
	}{
		"half of its life":              {func(b *bench) { b.now = b.now.Add(life / 2) }, "", 0},
		"less than a third of its life": {func(b *bench) { b.now = b.now.Add(life * 7 / 10) }, "was about to end", 2},
		"it has ended":                  {func(b *bench) { b.now = b.now.Add(2 * life) }, "was about to end", 2},
		"another name":                  {func(b *bench) { b.Holders[0].Hosts = []string{"tokenstore", "store.example"} }, "was for other names", 1},
		"the names in another order":    {func(b *bench) { b.Holders[0].Hosts = []string{"127.0.0.1", "tokenstore"} }, "", 0},
		"cut off between the two files": {func(b *bench) {
			if err := os.WriteFile(filepath.Join(b.Path, "gateway", "tls.key"), b.read("tokenstore", "tls.key"), 0o600); err != nil {
				b.t.Fatal(err)
			}
		}, "were no pair", 1},
		"its key is gone":        {func(b *bench) { _ = os.Remove(filepath.Join(b.Path, "gateway", "tls.key")) }, "were no pair", 1},
		"it is gone":             {func(b *bench) { _ = os.Remove(filepath.Join(b.Path, "gateway", "tls.crt")) }, "there was none", 1},
		"it is text":             {func(b *bench) { _ = os.WriteFile(filepath.Join(b.Path, "gateway", "tls.crt"), []byte("hello"), 0o600) }, "there was none", 1},
		"nobody is trusted":      {func(b *bench) { _ = os.Remove(filepath.Join(b.Path, "gateway", "ca.crt")) }, "", 0},
		"the authority was lost": {func(b *bench) { _ = os.RemoveAll(filepath.Join(b.Path, "authority")) }, "another authority's", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.keep()
			c.change(b)
			done := strings.Join(b.keep(), "\n")
			if made := strings.Count(done, "made a certificate"); made != c.made || !strings.Contains(done, c.done) {
				t.Errorf("it has done %q", done)
			}
			b.meet(b.holder("gateway"), b.holder("tokenstore"))
			if again := b.keep(); len(again) != 0 {
				t.Errorf("the second time it has done %q", again)
			}
		})
	}
}

// Who does not say the tokenstore's names again has not said other ones.
func TestNamesAreKept(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.Holders[0].KeepHosts = true
	b.keep()
	b.Holders[0].Hosts = []string{"a default"}
	if done := b.keep(); len(done) != 0 {
		t.Errorf("it has done %q", done)
	}
	b.now = b.now.Add(life)
	b.keep()
	b.meet(b.holder("gateway"), b.holder("tokenstore"))
	if names := b.holder("tokenstore").own.DNSNames; !slices.Equal(names, []string{"tokenstore"}) {
		t.Errorf("the names are %q", names)
	}
}

// While the authority is replaced, services that have the files of one step and of the one
// before talk to each other.
func TestTheAuthorityIsReplaced(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.keep()
	first := b.read("authority", "ca.pem")
	for range 2 { // there is always a next one
		for _, step := range []certificates.Step{certificates.Announced, certificates.Took, certificates.Dropped} {
			gateway, tokenstore := b.holder("gateway"), b.holder("tokenstore")
			b.rotate(step)
			b.meet(b.holder("gateway"), b.holder("tokenstore"))
			b.meet(gateway, b.holder("tokenstore"))
			b.meet(b.holder("gateway"), tokenstore)
			if done := b.keep(); len(done) != 0 {
				t.Errorf("after it: %q", done)
			}
		}
	}
	if entries, err := os.ReadDir(filepath.Join(b.Path, "authority")); err != nil || len(entries) != 1 {
		t.Errorf("%v stay, %v", entries, err)
	}
	old, err := authority.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Certificate.Verify(x509.VerifyOptions{Roots: b.holder("gateway").trusted, CurrentTime: b.now}); err == nil {
		t.Error("the first authority is still trusted")
	}
}

// A step that was cut off after its first file is taken again.
func TestAStepThatWasCutOff(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.keep()
	b.rotate(certificates.Announced)
	signs, err := authority.Parse(b.read("authority", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.Path, "authority", "old.crt"), authority.CertificatePEM(signs.Certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	if done := b.keep(); len(done) != 0 {
		t.Errorf("it has done %q", done)
	}
	b.rotate(certificates.Took)
	b.rotate(certificates.Dropped)
	b.meet(b.holder("gateway"), b.holder("tokenstore"))
}

func TestFilesThatCanNotBeRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.keep()
	path := filepath.Join(b.Path, "authority", "ca.pem")
	if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Keep(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("an authority that is no more: %v", err)
	}
}
