// Package certificates keeps a folder with a small authority, and the certificates that it has
// made for the services: it makes what is missing, renews what is due, and replaces the
// authority in steps that break no connection.
//
//	authority/ca.pem     the authority with its key: who has it can make certificates
//	authority/next.pem   the one that takes its place, from the first step on
//	authority/old.crt    the one before, without its key, until the last step
//	NAME/tls.crt, NAME/tls.key, NAME/ca.crt
//	                     a service's certificate, its key, and the authorities it should trust
package certificates

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"carousel.internal/proto/service/authority"
	"carousel.internal/tokenstore/internal/genfile"
)

// authorityLife is how long an authority lasts. It is not renewed by itself: everybody has to
// be told of another one before it signs.
const authorityLife = 10 * 365 * 24 * time.Hour

// Holder is a service that gets a certificate.
type Holder struct {
	// Name is that of its folder.
	Name string
	// Hosts are in its certificate. With KeepHosts only in its first one: the next one has what
	// that had.
	Hosts     []string
	KeepHosts bool
	Server    bool
}

// Folder is where the files are.
type Folder struct {
	Path    string
	Holders []Holder
	// Life is how long certificates last. They are renewed when a third of it is left.
	Life time.Duration
	Now  func() time.Time
}

// authorities are those that there are.
type authorities struct {
	signs *authority.Authority
	// next and old are nil most of the time.
	next *authority.Authority
	old  *x509.Certificate
}

// Keep makes what is missing and renews what is due. It returns what it has done, in
// sentences for whoever runs it.
func (f Folder) Keep() ([]string, error) {
	var done []string
	// Services enter it, each for its own folder.
	if err := os.MkdirAll(f.Path, 0o755); err != nil { //nolint:gosec // the keys in it have modes of their own
		return nil, err
	}
	first, err := f.newAuthority() // cheaper than to find out whether it is wanted
	if err != nil {
		return nil, err
	}
	made, err := genfile.CreateOnce(f.authorityPath("ca.pem"), 0o600, first)
	if err != nil {
		return nil, err
	}
	if made {
		done = append(done, "made an authority")
	}
	known, err := f.authorities()
	if err != nil {
		return done, err
	}
	for _, holder := range f.Holders {
		said, err := f.keepHolder(known, holder)
		done = append(done, said...)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Step is one of those in which an authority takes another one's place.
type Step string

// The steps, in their order.
const (
	Announced Step = "the next authority is trusted beside the present one, which still signs. Once every service has these files for longer than CONNECTION_AGE, take the next step"
	Took      Step = "the next authority signs, and all certificates are new. The old one is still trusted. Once every service has these files for longer than CONNECTION_AGE, take the last step"
	Dropped   Step = "the old authority is not trusted any more"
)

// Rotate takes the next step in replacing the authority, says which one that was, and keeps the
// folder. A step that was cut off is taken again.
func (f Folder) Rotate() (step Step, done []string, err error) {
	if done, err = f.Keep(); err != nil {
		return "", done, err
	}
	known, err := f.authorities()
	if err != nil {
		return "", done, err
	}
	switch {
	case known.next != nil:
		step = Took
		if err = genfile.Replace(f.authorityPath("old.crt"), 0o644, authority.CertificatePEM(known.signs.Certificate)); err == nil {
			err = os.Rename(f.authorityPath("next.pem"), f.authorityPath("ca.pem"))
		}
	case known.old != nil:
		step, err = Dropped, os.Remove(f.authorityPath("old.crt"))
	default:
		step = Announced
		var made []byte
		if made, err = f.newAuthority(); err == nil {
			err = genfile.Replace(f.authorityPath("next.pem"), 0o600, made)
		}
	}
	if err != nil {
		return "", done, err
	}
	said, err := f.Keep()
	return step, append(done, said...), err
}

func (f Folder) authorityPath(name string) string { return filepath.Join(f.Path, "authority", name) }

func (f Folder) newAuthority() ([]byte, error) {
	made, err := authority.New("Carousel authority of "+f.Now().UTC().Format("2 January 2006"), authority.For(f.Now(), authorityLife))
	if err != nil {
		return nil, err
	}
	return made.PEM()
}

func (f Folder) authorities() (authorities, error) {
	var known authorities
	for _, each := range []struct {
		name string
		into **authority.Authority
	}{{"ca.pem", &known.signs}, {"next.pem", &known.next}} {
		text, err := readIfThere(f.authorityPath(each.name))
		if err != nil {
			return known, err
		}
		if text == nil {
			continue
		}
		if *each.into, err = authority.Parse(text); err != nil {
			return known, fmt.Errorf("%s: %w", f.authorityPath(each.name), err)
		}
	}
	text, err := readIfThere(f.authorityPath("old.crt"))
	if err != nil || text == nil {
		return known, err
	}
	if known.old, err = firstCertificate(text); err != nil {
		return known, fmt.Errorf("%s: %w", f.authorityPath("old.crt"), err)
	}
	// A step that was cut off has left the one that still signs here.
	if known.old.Equal(known.signs.Certificate) {
		known.old = nil
	}
	return known, nil
}

// trusted are the certificates of all that count, as one file.
func (a authorities) trusted() []byte {
	bundle := authority.CertificatePEM(a.signs.Certificate)
	if a.next != nil {
		bundle = append(bundle, authority.CertificatePEM(a.next.Certificate)...)
	}
	if a.old != nil {
		bundle = append(bundle, authority.CertificatePEM(a.old)...)
	}
	return bundle
}

// keepHolder writes what is not as it should be. Whom to trust comes first: a certificate of
// an authority is worth nothing to who does not know that.
func (f Folder) keepHolder(known authorities, holder Holder) (done []string, err error) {
	folder := filepath.Join(f.Path, holder.Name)
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // the key in it has a mode of its own
		return nil, err
	}
	bundle, now := known.trusted(), f.Now()
	before, err := readIfThere(filepath.Join(folder, "ca.crt"))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(before, bundle) {
		if err := genfile.Replace(filepath.Join(folder, "ca.crt"), 0o644, bundle); err != nil {
			return nil, err
		}
	}
	present, err := f.present(folder)
	if err != nil {
		return nil, err
	}
	if present.leaf != nil && holder.KeepHosts {
		holder.Hosts = hostsOf(present.leaf)
	}
	why := f.due(known, holder, present)
	if why == "" {
		return nil, nil
	}
	pair, err := known.signs.Issue(authority.Leaf{
		Hosts: holder.Hosts, Server: holder.Server, Client: !holder.Server, Span: authority.For(now, f.Life),
	})
	if err != nil {
		return nil, err
	}
	// Between the two the pair does not fit, and its readers go on with what they have.
	if err := genfile.Replace(filepath.Join(folder, "tls.key"), 0o640, pair.Key); err != nil {
		return nil, err
	}
	if err := genfile.Replace(filepath.Join(folder, "tls.crt"), 0o644, pair.Certificate); err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("made a certificate for %s, until %s: %s", holder.Name, now.Add(f.Life).UTC().Format(time.DateOnly), why)}, nil
}

// certificate is one that a folder has; leaf is nil where there is none.
type certificate struct {
	leaf *x509.Certificate
	// paired: its key is beside it.
	paired bool
}

func (f Folder) present(folder string) (certificate, error) {
	text, err := readIfThere(filepath.Join(folder, "tls.crt"))
	if err != nil || text == nil {
		return certificate{}, err
	}
	key, err := readIfThere(filepath.Join(folder, "tls.key"))
	if err != nil {
		return certificate{}, err
	}
	found := certificate{}
	if found.leaf, err = firstCertificate(text); err != nil {
		return certificate{}, nil //nolint:nilerr // another one is made in its place
	}
	_, err = tls.X509KeyPair(text, key)
	found.paired = err == nil
	return found, nil
}

func hostsOf(leaf *x509.Certificate) []string {
	hosts := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	return hosts
}

// due says why a holder needs another certificate; empty: it needs none.
func (f Folder) due(known authorities, holder Holder, present certificate) string {
	switch {
	case present.leaf == nil:
		return "there was none"
	case !present.paired: // such as when it was cut off between the two files
		return "it and its key were no pair"
	case !known.signs.Signed(present.leaf):
		return "it was another authority's"
	case !slices.Equal(slices.Sorted(slices.Values(hostsOf(present.leaf))), slices.Sorted(slices.Values(holder.Hosts))):
		return "it was for other names"
	case present.leaf.NotAfter.Sub(f.Now()) < f.Life/3:
		return "it was about to end"
	}
	return ""
}

func firstCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("a certificate in PEM form wanted")
	}
	return x509.ParseCertificate(block.Bytes)
}

func readIfThere(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}
