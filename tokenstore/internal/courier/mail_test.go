package courier

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/notify"
)

// postOffice is a mail server that keeps what it is told.
type postOffice struct {
	addr    string
	tls     *tls.Config
	implied bool // TLS from the first byte
	refuses string
	mu      sync.Mutex
	said    []string
	mail    string
	// sealed: the mail came through TLS.
	sealed bool
}

// openPostOffice starts one on the loopback, whose certificate is its own authority.
func openPostOffice(t *testing.T, office *postOffice) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(made)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	office.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{made}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	office.addr = listener.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { office.serve(connection) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return roots
}

func (o *postOffice) serve(connection net.Conn) {
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(time.Minute))
	if o.implied {
		connection = tls.Server(connection, o.tls)
	}
	lines := bufio.NewReader(connection)
	tell := func(text string) { _, _ = fmt.Fprintf(connection, "%s\r\n", text) }
	tell("220 post office")
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		o.note(line)
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		_, sealed := connection.(*tls.Conn)
		switch {
		case o.refuses != "" && verb == "RCPT":
			tell(o.refuses)
		case verb == "EHLO" && sealed:
			tell("250-post office\r\n250 AUTH PLAIN")
		case verb == "EHLO":
			tell("250-post office\r\n250 STARTTLS")
		case verb == "STARTTLS":
			tell("220 go on")
			connection = tls.Server(connection, o.tls)
			lines = bufio.NewReader(connection)
		case verb == "AUTH":
			tell("235 welcome")
		case verb == "DATA":
			tell("354 go on")
			o.take(lines, sealed)
			tell("250 taken")
		case verb == "QUIT":
			tell("221 bye")
			return
		default:
			tell("250 fine")
		}
	}
}

func (o *postOffice) note(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.said = append(o.said, line)
}

func (o *postOffice) take(lines *bufio.Reader, sealed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sealed = sealed
	for {
		line, err := lines.ReadString('\n')
		if err != nil || line == ".\r\n" {
			return
		}
		o.mail += line
	}
}

func mailTo(office *postOffice, security, username string) notify.Destination {
	d := destination(notify.Mail, "", notify.English)
	d.Mail = &tokenstorev1.MailRoute{Server: office.addr, Security: security, Username: username, From: "carousel@example.com", To: []string{"a@example.com", "b@example.com"}}
	return d
}

// A mail goes to all addresses at once, through TLS where that is wanted, with the delivery's id.
func TestMail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ security, username string }{
		"STARTTLS and a password": {notify.StartTLS, "carousel"}, "TLS and a password": {notify.TLS, "carousel"}, "neither": {notify.NoTLS, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			office := &postOffice{implied: c.security == notify.TLS}
			courier := New()
			courier.roots = openPostOffice(t, office)
			if err := courier.Send(t.Context(), mailTo(office, c.security, c.username), aDelivery()); err != nil {
				t.Fatal(err)
			}
			office.mu.Lock()
			defer office.mu.Unlock()
			for _, part := range []string{
				"Subject: Carousel: 2 firing, 1 resolved", "Message-ID: <n1@carousel.invalid>", "To: <a@example.com>, <b@example.com>", "Auto-Submitted: auto-generated", "No token of upstream cursor can serve.",
			} {
				if !strings.Contains(strings.ReplaceAll(office.mail, "=\r\n", ""), part) {
					t.Errorf("%q is not in the mail:\n%s", part, office.mail)
				}
			}
			if office.sealed != (c.security != notify.NoTLS) {
				t.Errorf("through TLS: %v", office.sealed)
			}
			login := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00carousel\x00"+theSecret))
			if slices.Contains(office.said, login) != (c.username != "") {
				t.Errorf("said %q", office.said)
			}
			if strings.Contains(office.mail, "very-secret") {
				t.Error("a secret is in the mail")
			}
		})
	}
}

// What a server refuses for good is not tried again; one that nobody knows is not trusted.
func TestMailThatIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		office  *postOffice
		trusted bool
		says    string
		final   bool
	}{
		"no such mailbox":         {&postOffice{refuses: "550 no such mailbox " + theSecret}, true, "the mail server refused it", true},
		"full for now":            {&postOffice{refuses: "452 mailbox full"}, true, "the mail server refused it", false},
		"an authority of its own": {&postOffice{}, false, "could not be reached", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			roots := openPostOffice(t, c.office)
			courier := New()
			if c.trusted {
				courier.roots = roots
			}
			err := courier.Send(t.Context(), mailTo(c.office, notify.StartTLS, "carousel"), aDelivery())
			wantRefusal(t, err, c.says, c.final)
		})
	}
}
