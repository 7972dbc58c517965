// Package authority is a small certificate authority: enough for the certificates that
// services show each other, where there is no other one. It touches no files.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// Span is a time in which a certificate holds.
type Span struct{ From, To time.Time }

// backdate is how long before now certificates begin to hold: clocks differ.
const backdate = 5 * time.Minute

// For is the span that begins a little before now and lasts so long from now.
func For(now time.Time, life time.Duration) Span { return Span{now.Add(-backdate), now.Add(life)} }

// Authority signs certificates.
type Authority struct {
	// Certificate is its own.
	Certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// Leaf is what a certificate is to say.
type Leaf struct {
	// Hosts are the names and IP addresses that it is for, as subject alternative names. The
	// first one is its common name, too, which is for people.
	Hosts []string
	// Server and Client are what it may be shown as.
	Server, Client bool
	Span           Span
}

// Pair is a certificate with its key, both as PEM.
type Pair struct{ Certificate, Key []byte }

// New makes an authority.
func New(name string, span Span) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := template(name, span)
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	made, err := sign(template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &Authority{Certificate: made, key: key}, nil
}

// Issue makes a key and a certificate for it.
func (a *Authority) Issue(leaf Leaf) (Pair, error) {
	if len(leaf.Hosts) == 0 {
		return Pair{}, errors.New("a certificate needs a name")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	template := template(leaf.Hosts[0], leaf.Span)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if leaf.Server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if leaf.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	for _, host := range leaf.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	made, err := sign(template, a.Certificate, &key.PublicKey, a.key)
	if err != nil {
		return Pair{}, err
	}
	encoded, err := keyPEM(key)
	return Pair{Certificate: CertificatePEM(made), Key: encoded}, err
}

// Signed tells whether a certificate is from this authority.
func (a *Authority) Signed(certificate *x509.Certificate) bool {
	return certificate.CheckSignatureFrom(a.Certificate) == nil
}

// PEM is the authority with its key: who has it can make certificates. Parse reads it.
func (a *Authority) PEM() ([]byte, error) {
	key, err := keyPEM(a.key)
	return append(CertificatePEM(a.Certificate), key...), err
}

// Parse reads what PEM has written.
func Parse(text []byte) (*Authority, error) {
	certificate, rest := pem.Decode(text)
	key, _ := pem.Decode(rest)
	if certificate == nil || key == nil {
		return nil, errors.New("a certificate and its key in PEM form wanted")
	}
	own, err := x509.ParseCertificate(certificate.Bytes)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !private.PublicKey.Equal(own.PublicKey) {
		return nil, errors.New("the key is not the certificate's")
	}
	return &Authority{Certificate: own, key: private}, nil
}

// CertificatePEM is a certificate as PEM.
func CertificatePEM(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), nil
}

// serialBits is how many random bits a serial number has: RFC 5280 allows 20 bytes, the first
// bit of which is a sign.
const serialBits = 158

func template(name string, span Span) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits)) // never fails: it ends the process instead
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: span.From, NotAfter: span.To,
	}
}

func sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	signed, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("sign %q: %w", template.Subject.CommonName, err)
	}
	return x509.ParseCertificate(signed)
}
