package tokens

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"carousel.internal/proto/service/authority"
	"carousel.internal/proto/service/certfile"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// callerServer says who calls it: the common name in the certificate.
type callerServer struct {
	tokenstorev1.UnimplementedConfigServiceServer
}

func (callerServer) GetSettings(ctx context.Context, _ *tokenstorev1.GetSettingsRequest) (*tokenstorev1.GetSettingsResponse, error) {
	from, _ := peer.FromContext(ctx)
	info, _ := from.AuthInfo.(credentials.TLSInfo)
	name := "nobody"
	if shown := info.State.PeerCertificates; len(shown) > 0 {
		name = shown[0].Subject.CommonName
	}
	return nil, status.Error(codes.NotFound, "called by "+name)
}

func newAuthority(t *testing.T) *authority.Authority {
	t.Helper()
	made, err := authority.New("authority", authority.For(time.Now(), time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func issue(t *testing.T, signer *authority.Authority, leaf authority.Leaf) authority.Pair {
	t.Helper()
	if leaf.Span.To.IsZero() {
		leaf.Span = authority.For(time.Now(), time.Hour)
	}
	pair, err := signer.Issue(leaf)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// serveAs starts a server on loopback that shows the certificate, and asks callers for theirs
// without minding what it is.
func serveAs(t *testing.T, pair authority.Pair, newest uint16) (port string) {
	t.Helper()
	own, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{own}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12, MaxVersion: newest,
		ClientCAs: x509.NewCertPool(), // none that a gateway's is from
	})))
	tokenstorev1.RegisterConfigServiceServer(server, callerServer{})
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	return port
}

// ownFiles are a gateway's certificate files.
func ownFiles(t *testing.T, signer *authority.Authority) certfile.Paths {
	t.Helper()
	folder := t.TempDir()
	paths := certfile.Paths{
		Certificate: filepath.Join(folder, "tls.crt"), Key: filepath.Join(folder, "tls.key"), Authorities: filepath.Join(folder, "ca.crt"),
	}
	pair := issue(t, signer, authority.Leaf{Hosts: []string{"gateway"}, Client: true})
	write(t, paths.Certificate, pair.Certificate)
	write(t, paths.Key, pair.Key)
	write(t, paths.Authorities, authority.CertificatePEM(signer.Certificate))
	return paths
}

// said is what a call of the tokenstore by its name comes to.
func said(t *testing.T, certificates *certfile.Files, port string) string {
	t.Helper()
	conn, err := dial("tokenstore:"+port, secret.Value{}, certificates, way{
		find: func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil },
		connect: func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
		patience: time.Minute, // a busy machine takes its time for a handshake
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = tokenstorev1.NewConfigServiceClient(conn).GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
	return err.Error()
}

// The tokenstore is who its certificate says: one for the name that is configured, whichever
// address that has, from an authority that is trusted.
func TestTheTokenstoreIsKnownByItsCertificate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	trusted, foreign := newAuthority(t), newAuthority(t)
	store := authority.Leaf{Hosts: []string{"tokenstore"}, Server: true}
	for name, c := range map[string]struct {
		shown  authority.Pair
		newest uint16
		says   string
	}{
		"the tokenstore":             {shown: issue(t, trusted, store), says: "called by gateway"},
		"from another authority":     {shown: issue(t, foreign, store), says: "signed by unknown authority"},
		"another name":               {shown: issue(t, trusted, authority.Leaf{Hosts: []string{"tokenstore.evil"}, Server: true}), says: "not tokenstore"},
		"its address is not enough":  {shown: issue(t, trusted, authority.Leaf{Hosts: []string{"127.0.0.1"}, Server: true}), says: "wanted to match tokenstore"},
		"a gateway's certificate":    {shown: issue(t, trusted, authority.Leaf{Hosts: []string{"tokenstore"}, Client: true}), says: "incompatible key usage"},
		"it has expired":             {shown: issue(t, trusted, authority.Leaf{Hosts: []string{"tokenstore"}, Server: true, Span: authority.Span{From: now.Add(-2 * time.Hour), To: now.Add(-time.Hour)}}), says: "has expired"},
		"it does not speak TLS 1.3 ": {shown: issue(t, trusted, store), newest: tls.VersionTLS12, says: "protocol version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, err := certfile.Open(ownFiles(t, trusted), slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			if got := said(t, files, serveAs(t, c.shown, c.newest)); !strings.Contains(got, c.says) {
				t.Errorf("%s, want %q", got, c.says)
			}
		})
	}
}

func TestWhatTheFilesHaveNowIsShown(t *testing.T) {
	t.Parallel()
	old, next := newAuthority(t), newAuthority(t)
	store := authority.Leaf{Hosts: []string{"tokenstore"}, Server: true}
	ofOld, ofNext := serveAs(t, issue(t, old, store), 0), serveAs(t, issue(t, next, store), 0)
	paths := ownFiles(t, old)
	files, err := certfile.Open(paths, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	want := func(step, port, says string) {
		t.Helper()
		if got := said(t, files, port); !strings.Contains(got, says) {
			t.Errorf("%s: %s, want %q", step, got, says)
		}
	}
	want("before, the old one", ofOld, "called by gateway")
	want("before, the next one", ofNext, "unknown authority")
	write(t, paths.Authorities, append(authority.CertificatePEM(old.Certificate), authority.CertificatePEM(next.Certificate)...))
	want("both, the old one", ofOld, "called by gateway")
	want("both, the next one", ofNext, "called by gateway")
	renewed := issue(t, next, authority.Leaf{Hosts: []string{"gateway-renewed"}, Client: true})
	write(t, paths.Certificate, renewed.Certificate)
	want("a pair that is half replaced", ofNext, "called by gateway")
	write(t, paths.Key, renewed.Key)
	want("a pair that is replaced", ofNext, "called by gateway-renewed")
	write(t, paths.Authorities, authority.CertificatePEM(next.Certificate))
	want("afterwards, the old one", ofOld, "unknown authority")
	want("afterwards, the next one", ofNext, "called by gateway-renewed")

	alone, err := certfile.Open(certfile.Paths{Authorities: paths.Authorities}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got := said(t, alone, ofNext); !strings.Contains(got, "called by nobody") {
		t.Errorf("without a certificate of its own: %s", got)
	}
}
