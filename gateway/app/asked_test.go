package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"carousel.internal/proto/service/authority"
)

// Only who shows a certificate tells when it ends: one that has just the tokenstore's authority has
// none that could.
func TestWhenACertificateEndsIsTold(t *testing.T) {
	t.Parallel()
	signer, err := authority.New("authority", authority.For(time.Now(), time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := signer.Issue(authority.Leaf{Hosts: []string{"gateway"}, Client: true, Span: authority.For(time.Now(), time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	written := func(name string, text []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	settings := map[string]string{"TOKENSTORE_TLS_CA_FILE": written("ca.crt", authority.CertificatePEM(signer.Certificate))}
	told := func() int {
		n, err := testutil.GatherAndCount(started(t, settings).registry, "carousel_gateway_certificate_expiry_timestamp_seconds")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := told(); n != 0 {
		t.Errorf("without a certificate: %d", n)
	}
	settings["TOKENSTORE_TLS_CERT_FILE"], settings["TOKENSTORE_TLS_KEY_FILE"] = written("tls.crt", pair.Certificate), written("tls.key", pair.Key)
	if n := told(); n != 1 {
		t.Errorf("with one: %d", n)
	}
}
