package authority_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"carousel.internal/proto/service/authority"
)

var made = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newAuthority(t *testing.T) *authority.Authority {
	t.Helper()
	a, err := authority.New("the authority", authority.For(made, 24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *authority.Authority, leaf authority.Leaf) *x509.Certificate {
	t.Helper()
	leaf.Span = authority.For(made, time.Hour)
	pair, err := a.Issue(leaf)
	if err != nil {
		t.Fatal(err)
	}
	both, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	return both.Leaf
}

func TestCertificatesHoldForWhatTheySay(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	server := issue(t, a, authority.Leaf{Hosts: []string{"store", "127.0.0.1"}, Server: true})
	client := issue(t, a, authority.Leaf{Hosts: []string{"gateway"}, Client: true})
	trusted, foreign := x509.NewCertPool(), x509.NewCertPool()
	trusted.AddCert(a.Certificate)
	foreign.AddCert(newAuthority(t).Certificate)
	asServer, asClient := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for name, c := range map[string]struct {
		certificate *x509.Certificate
		options     x509.VerifyOptions
		holds       bool
	}{
		"by its name":              {server, x509.VerifyOptions{Roots: trusted, DNSName: "store", KeyUsages: asServer}, true},
		"by its address":           {server, x509.VerifyOptions{Roots: trusted, DNSName: "127.0.0.1", KeyUsages: asServer}, true},
		"another name":             {server, x509.VerifyOptions{Roots: trusted, DNSName: "gateway", KeyUsages: asServer}, false},
		"a server as a client":     {server, x509.VerifyOptions{Roots: trusted, KeyUsages: asClient}, false},
		"a client":                 {client, x509.VerifyOptions{Roots: trusted, KeyUsages: asClient}, true},
		"a client as a server":     {client, x509.VerifyOptions{Roots: trusted, DNSName: "gateway", KeyUsages: asServer}, false},
		"too late":                 {client, x509.VerifyOptions{Roots: trusted, KeyUsages: asClient, CurrentTime: made.Add(2 * time.Hour)}, false},
		"a clock that is behind":   {client, x509.VerifyOptions{Roots: trusted, KeyUsages: asClient, CurrentTime: made.Add(-time.Minute)}, true},
		"of the same name, not it": {client, x509.VerifyOptions{Roots: foreign, KeyUsages: asClient}, false},
	} {
		if c.options.CurrentTime.IsZero() {
			c.options.CurrentTime = made
		}
		if _, err := c.certificate.Verify(c.options); (err == nil) != c.holds {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAuthorityIsReadBack(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	text, err := a.PEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := authority.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	leaf := issue(t, again, authority.Leaf{Hosts: []string{"gateway"}, Client: true})
	if !a.Signed(leaf) || newAuthority(t).Signed(leaf) {
		t.Error("what it signs is not its own")
	}
	other, err := newAuthority(t).PEM()
	if err != nil {
		t.Fatal(err)
	}
	certificate := authority.CertificatePEM(a.Certificate)
	for name, wrong := range map[string][]byte{
		"nothing": nil, "no key": certificate, "half": text[:len(text)/2], "another's key": append(certificate, other[len(authority.CertificatePEM(again.Certificate)):]...),
	} {
		if _, err := authority.Parse(wrong); err == nil {
			t.Errorf("%s is read", name)
		}
	}
	if _, err := a.Issue(authority.Leaf{Client: true}); err == nil {
		t.Error("a certificate without a name is made")
	}
}
