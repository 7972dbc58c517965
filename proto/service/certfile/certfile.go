// Package certfile has a process's certificate, its key, and the authorities that it
// trusts, as they stand in files. Files that are replaced count from the next connection
// on, without a restart.
package certfile

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// maxFile bounds a file, in bytes: all the authorities that operating systems trust have a
// quarter of it.
const maxFile = 1 << 20

// Paths name the files, which are PEM. Certificate and Key belong together; without them
// there is no certificate. Authorities are whom a peer's certificate must be from; empty: none.
type Paths struct{ Certificate, Key, Authorities string }

// Identity is what the files had when they were last whole.
type Identity struct {
	// Certificate has the certificate and its key; nil where no file is named.
	Certificate *tls.Certificate
	// Authorities are nil where no file is named.
	Authorities *x509.CertPool
}

// Files are safe for concurrent use.
type Files struct {
	paths Paths
	log   *slog.Logger

	mu    sync.Mutex
	texts contents
	now   Identity
	// complaint is what was said of files that can't be used.
	complaint string
}

// contents are what stands in the files.
type contents struct{ certificate, key, authorities []byte }

func (c contents) equal(other contents) bool {
	return bytes.Equal(c.certificate, other.certificate) && bytes.Equal(c.key, other.key) && bytes.Equal(c.authorities, other.authorities)
}

// Open reads the files for the first time. Then they must be right.
func Open(paths Paths, log *slog.Logger) (*Files, error) {
	texts, err := paths.read()
	if err != nil {
		return nil, err
	}
	now, err := paths.parse(texts)
	if err != nil {
		return nil, err
	}
	return &Files{paths: paths, log: log, texts: texts, now: now}, nil
}

// Current returns what the files have now. It is called for each connection, and reads them
// each time: that costs less than the connection's signatures, and nobody has to look at
// clocks and names to find out what has changed. While a file can't be used, such as one of
// a pair that is just being replaced, all of them count as they last were, which is logged once.
func (f *Files) Current() Identity {
	f.mu.Lock()
	defer f.mu.Unlock()
	texts, err := f.paths.read()
	if err == nil && texts.equal(f.texts) {
		f.complaint = ""
		return f.now
	}
	var fresh Identity
	if err == nil {
		fresh, err = f.paths.parse(texts)
	}
	if err != nil {
		if said := err.Error(); said != f.complaint {
			f.complaint = said
			f.log.LogAttrs(context.Background(), slog.LevelWarn, "certificate files can't be used: what they had before holds", slog.Any("error", err))
		}
		return f.now
	}
	f.texts, f.now, f.complaint = texts, fresh, ""
	f.log.LogAttrs(context.Background(), slog.LevelInfo, "certificate files have changed: they hold for new connections",
		slog.String("certificate", f.paths.Certificate), slog.Time("expires", fresh.expires()))
	return f.now
}

// Expires is when the certificate that holds ends; zero without one.
func (f *Files) Expires() time.Time { return f.Current().expires() }

func (i Identity) expires() time.Time {
	if i.Certificate == nil {
		return time.Time{}
	}
	return i.Certificate.Leaf.NotAfter
}

func (p Paths) read() (contents, error) {
	var texts contents
	for _, each := range []struct {
		path string
		into *[]byte
	}{{p.Certificate, &texts.certificate}, {p.Key, &texts.key}, {p.Authorities, &texts.authorities}} {
		if each.path == "" {
			continue
		}
		text, err := readBounded(each.path)
		if err != nil {
			return contents{}, err
		}
		*each.into = text
	}
	return texts, nil
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: more than %d MiB, which no certificates have", path, maxFile>>20)
	}
	return text, err
}

func (p Paths) parse(texts contents) (Identity, error) {
	var found Identity
	if p.Certificate != "" {
		if _, err := certificates(texts.certificate); err != nil {
			return found, fmt.Errorf("%s: %w", p.Certificate, err)
		}
		pair, err := tls.X509KeyPair(texts.certificate, texts.key)
		if err != nil { // it quotes nothing of the key
			return found, fmt.Errorf("%s and %s are no pair: %w", p.Certificate, p.Key, err)
		}
		found.Certificate = &pair
	}
	if p.Authorities != "" {
		trusted, err := certificates(texts.authorities)
		if err != nil {
			return found, fmt.Errorf("%s: %w", p.Authorities, err)
		}
		found.Authorities = x509.NewCertPool()
		for _, each := range trusted {
			found.Authorities.AddCert(each)
		}
	}
	return found, nil
}

var (
	errNone  = errors.New("has no certificate in PEM form")
	errWhole = errors.New("is not whole: a certificate in it has no end")
	begin    = []byte("-----BEGIN CERTIFICATE-----")
)

// certificates are those of a text, all of them: a text that is still being written must not
// pass for a shorter one.
func certificates(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		each, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in it can't be read: %w", len(all)+1, err)
		}
		all = append(all, each)
	}
	switch {
	case len(all) < bytes.Count(text, begin):
		return nil, errWhole
	case len(all) == 0:
		return nil, errNone
	}
	return all, nil
}
