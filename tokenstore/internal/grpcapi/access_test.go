package grpcapi_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"carousel.internal/proto/service/authority"
	"carousel.internal/proto/service/certfile"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/grpcapi"
)

// testAge is the age of connections in tests: none gets there.
const testAge = grpcapi.Age(time.Hour)

// callLimit is the patience of a test with a call that is answered at once.
const callLimit = time.Minute

// secured is a server that speaks TLS, and who makes certificates for it.
type secured struct {
	t      *testing.T
	addr   string
	paths  certfile.Paths
	signer *authority.Authority
	log    *journal
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

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// await waits until the text has been written.
func (j *journal) await(t *testing.T, text string) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for limit := time.After(callLimit); !strings.Contains(j.String(), text); {
		select {
		case <-again.C:
		case <-limit:
			t.Fatalf("%q is not in the log:\n%s", text, j)
		}
	}
}

func newAuthority(t *testing.T) *authority.Authority {
	t.Helper()
	made, err := authority.New("authority", authority.For(time.Now(), time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// useAuthorities has the server's files have a certificate from signer, and trust these.
func (s *secured) useAuthorities(signer *authority.Authority, trusted ...*authority.Authority) {
	s.t.Helper()
	pair, err := signer.Issue(authority.Leaf{Hosts: []string{"127.0.0.1"}, Server: true, Span: authority.For(time.Now(), time.Hour)})
	if err != nil {
		s.t.Fatal(err)
	}
	var bundle []byte
	for _, each := range trusted {
		bundle = append(bundle, authority.CertificatePEM(each.Certificate)...)
	}
	write(s.t, s.paths.Authorities, bundle)
	write(s.t, s.paths.Certificate, pair.Certificate)
	write(s.t, s.paths.Key, pair.Key)
}

// serveSecured starts a server on loopback, with services that implement nothing: who is let
// in is told so.
func serveSecured(t *testing.T, access grpcapi.Access) *secured {
	t.Helper()
	folder := t.TempDir()
	s := &secured{t: t, signer: newAuthority(t), log: &journal{}, paths: certfile.Paths{
		Certificate: filepath.Join(folder, "tls.crt"), Key: filepath.Join(folder, "tls.key"), Authorities: filepath.Join(folder, "ca.crt"),
	}}
	s.useAuthorities(s.signer, s.signer)
	log := slog.New(slog.NewTextHandler(s.log, nil))
	var err error
	if access.Certificates, err = certfile.Open(s.paths, log); err != nil {
		t.Fatal(err)
	}
	access.Gateways, access.Admins = []string{"gateway", "gateway.example"}, []string{"admin"}
	server := grpcapi.NewServer(access, testAge, noObserver{}, log)
	healthv1.RegisterHealthServer(server, health.NewServer())
	tokenstorev1.RegisterConfigServiceServer(server, tokenstorev1.UnimplementedConfigServiceServer{})
	tokenstorev1.RegisterFleetServiceServer(server, tokenstorev1.UnimplementedFleetServiceServer{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	return s
}

// caller is how a test connects.
type caller struct {
	// plain speaks no TLS.
	plain bool
	// shown are the names in the certificate that it shows; none where there are none.
	shown []string
	// span is the time in which that holds; the present where zero.
	span authority.Span
	// as is what the certificate is for; empty: a client's.
	asServer bool
	// from signed it; nil: the server's own authority.
	from   *authority.Authority
	secret string
	// newest is the newest version of TLS that it speaks; 0: all.
	newest uint16
}

func (s *secured) dial(c caller) *grpc.ClientConn {
	s.t.Helper()
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if !c.plain {
		trusted := x509.NewCertPool()
		trusted.AddCert(s.signer.Certificate)
		config := &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12, MaxVersion: c.newest}
		if c.shown != nil {
			signer := c.from
			if signer == nil {
				signer = s.signer
			}
			if c.span.To.IsZero() {
				c.span = authority.For(time.Now(), time.Hour)
			}
			pair, err := signer.Issue(authority.Leaf{Hosts: c.shown, Client: !c.asServer, Server: c.asServer, Span: c.span})
			if err != nil {
				s.t.Fatal(err)
			}
			both, err := tls.X509KeyPair(pair.Certificate, pair.Key)
			if err != nil {
				s.t.Fatal(err)
			}
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &both, nil }
		}
		options = []grpc.DialOption{grpc.WithTransportCredentials(credentials.NewTLS(config))}
	}
	if c.secret != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(c.secret)))
	}
	conn, err := grpc.NewClient(s.addr, options...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// What the calls of a caller come to: Unimplemented is that of one that was let in.
type outcome struct {
	// settings are an admin's call, beat is a gateway's, health anybody's.
	settings, beat, health codes.Code
	// says is in the error; logged is in the server's log.
	says, logged string
}

var (
	letIn      = outcome{settings: codes.Unimplemented, beat: codes.Unimplemented, health: codes.OK}
	noSecret   = outcome{settings: codes.Unauthenticated, beat: codes.Unauthenticated, health: codes.OK, says: "shared secret is missing or wrong"}
	adminAlone = outcome{
		settings: codes.Unimplemented, beat: codes.PermissionDenied, health: codes.OK,
		says: `the certificate of "admin" may not call tokenstore.v1.FleetService/Beat`, logged: "what=call",
	}
)

func shutOut(logged string) outcome {
	return outcome{settings: codes.Unavailable, beat: codes.Unavailable, health: codes.Unavailable, logged: logged}
}

func TestWhoIsLetIn(t *testing.T) {
	t.Parallel()
	now := time.Now()
	foreign := newAuthority(t)
	byCertificate := grpcapi.Access{AskCertificates: true, Secret: secret.New(sharedSecret)}
	bySecret := grpcapi.Access{Secret: secret.New(sharedSecret)}
	moving := grpcapi.Access{AskCertificates: true, Plaintext: true, Secret: secret.New(sharedSecret)}
	for name, c := range map[string]struct {
		access grpcapi.Access
		caller caller
		want   outcome
	}{
		"a gateway":                       {byCertificate, caller{shown: []string{"gateway"}}, letIn},
		"a gateway by its other name":     {byCertificate, caller{shown: []string{"host-7", "gateway.example"}}, letIn},
		"an admin":                        {byCertificate, caller{shown: []string{"admin"}}, adminAlone},
		"an admin with the secret":        {byCertificate, caller{shown: []string{"admin"}, secret: sharedSecret}, adminAlone},
		"no certificate":                  {byCertificate, caller{}, shutOut("client didn't provide a certificate")},
		"no certificate, with the secret": {byCertificate, caller{secret: sharedSecret}, shutOut("client didn't provide a certificate")},
		"a foreign certificate":           {byCertificate, caller{shown: []string{"gateway"}, from: foreign}, shutOut("signed by unknown authority")},
		"an expired certificate": {
			byCertificate,
			caller{shown: []string{"gateway"}, span: authority.Span{From: now.Add(-2 * time.Hour), To: now.Add(-time.Hour)}},
			shutOut("certificate has expired or is not yet valid"),
		},
		"a certificate of tomorrow": {
			byCertificate,
			caller{shown: []string{"gateway"}, span: authority.Span{From: now.Add(24 * time.Hour), To: now.Add(48 * time.Hour)}},
			shutOut("certificate has expired or is not yet valid"),
		},
		"a server's certificate": {byCertificate, caller{shown: []string{"gateway"}, asServer: true}, shutOut("incompatible key usage")},
		"an unknown name": {byCertificate, caller{shown: []string{"laptop.example"}, secret: sharedSecret}, outcome{
			settings: codes.PermissionDenied, beat: codes.PermissionDenied, health: codes.OK,
			says:   `the certificate of "laptop.example" may not call tokenstore.v1.ConfigService/GetSettings: its names are neither a gateway's (gateway, gateway.example) nor an admin's (admin)`,
			logged: "laptop.example",
		}},
		"a name that begins like a gateway's":  {byCertificate, caller{shown: []string{"gateway.evil"}}, outcome{settings: codes.PermissionDenied, beat: codes.PermissionDenied, logged: "gateway.evil"}},
		"plaintext":                            {byCertificate, caller{plain: true, secret: sharedSecret}, shutOut("does not look like a TLS handshake")},
		"TLS 1.2":                              {byCertificate, caller{shown: []string{"gateway"}, newest: tls.VersionTLS12}, shutOut("unsupported versions")},
		"by the secret over TLS":               {bySecret, caller{secret: sharedSecret}, letIn},
		"by the secret, which is missing":      {bySecret, caller{}, noSecret},
		"by the secret, with any certificate":  {bySecret, caller{shown: []string{"gateway"}, from: foreign}, noSecret},
		"while moving, a gateway":              {moving, caller{shown: []string{"gateway"}}, letIn},
		"while moving, the secret":             {moving, caller{plain: true, secret: sharedSecret}, letIn},
		"while moving, nothing":                {moving, caller{plain: true}, noSecret},
		"while moving, TLS without one":        {moving, caller{secret: sharedSecret}, shutOut("client didn't provide a certificate")},
		"while moving, a foreign certificate":  {moving, caller{shown: []string{"gateway"}, from: foreign, secret: sharedSecret}, shutOut("signed by unknown authority")},
		"no secret at all is nobody's secret":  {grpcapi.Access{Plaintext: true, AskCertificates: true}, caller{plain: true, secret: " "}, noSecret},
		"no secret at all, and nothing shown":  {grpcapi.Access{Plaintext: true, AskCertificates: true}, caller{plain: true}, noSecret},
		"without a secret, by the certificate": {grpcapi.Access{AskCertificates: true}, caller{shown: []string{"gateway"}}, letIn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serveSecured(t, c.access)
			ctx, cancel := context.WithTimeout(t.Context(), callLimit)
			defer cancel()
			conn := s.dial(c.caller)
			_, settings := tokenstorev1.NewConfigServiceClient(conn).GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
			_, beat := tokenstorev1.NewFleetServiceClient(conn).Beat(ctx, &tokenstorev1.BeatRequest{})
			_, healthy := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{})
			if status.Code(settings) != c.want.settings || status.Code(beat) != c.want.beat || status.Code(healthy) != c.want.health {
				t.Errorf("%v\n%v\n%v", settings, beat, healthy)
			}
			if c.want.says != "" && !strings.Contains(settings.Error()+beat.Error(), c.want.says) {
				t.Errorf("it is told\n%v\n%v", settings, beat)
			}
			s.log.await(t, c.want.logged) // a caller hears it before it is written
			if log := s.log.String(); c.want.logged == "" && strings.Contains(log, "caller refused") {
				t.Errorf("the log says %s", log)
			}
			if strings.Contains(s.log.String(), sharedSecret) {
				t.Error("the log has the secret")
			}
		})
	}
}

// Files that are replaced hold for the next connection; one that is there goes on.
func TestCertificatesAreReplacedWithoutARestart(t *testing.T) {
	t.Parallel()
	s := serveSecured(t, grpcapi.Access{AskCertificates: true})
	next := newAuthority(t)
	calls := func(conn *grpc.ClientConn) codes.Code {
		ctx, cancel := context.WithTimeout(t.Context(), callLimit)
		defer cancel()
		_, err := tokenstorev1.NewConfigServiceClient(conn).GetSettings(ctx, &tokenstorev1.GetSettingsRequest{})
		return status.Code(err)
	}
	ofNext := caller{shown: []string{"gateway"}, from: next}
	before := s.dial(caller{shown: []string{"gateway"}})
	if got := calls(before); got != codes.Unimplemented {
		t.Fatalf("before: %v", got)
	}
	if got := calls(s.dial(ofNext)); got != codes.Unavailable {
		t.Errorf("the next authority's, before it is trusted: %v", got)
	}
	s.useAuthorities(s.signer, s.signer, next)
	if got := calls(s.dial(ofNext)); got != codes.Unimplemented {
		t.Errorf("while both are trusted: %v", got)
	}
	if got := calls(before); got != codes.Unimplemented {
		t.Errorf("a connection of before: %v", got)
	}
	old := s.signer
	s.useAuthorities(next, next)
	s.signer = next // which clients trust from now on
	if got := calls(s.dial(ofNext)); got != codes.Unimplemented {
		t.Errorf("the next one alone: %v", got)
	}
	if got := calls(s.dial(caller{shown: []string{"gateway"}, from: old})); got != codes.Unavailable {
		t.Errorf("the old one's afterwards: %v", got)
	}
}

// A method that nobody has thought about is nobody's.
func TestEachMethodHasItsRights(t *testing.T) {
	t.Parallel()
	rights := grpcapi.Rights()
	methods := 0
	protoregistry.GlobalFiles.RangeFilesByPackage("tokenstore.v1", func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				method := "/" + string(service.FullName()) + "/" + string(service.Methods().Get(j).Name())
				methods++
				if !slices.Contains(rights[method], "gateways") {
					t.Errorf("%s has no row in rights.go, or gateways may not call it", method)
				}
				delete(rights, method)
			}
		}
		return true
	})
	if methods < 50 {
		t.Errorf("%d methods were found", methods)
	}
	for method := range rights {
		t.Errorf("there is no method %s", method)
	}
	// What makes a gateway one: leases and their secrets, and what it says of itself.
	for _, method := range []string{
		tokenstorev1.LeaseService_Session_FullMethodName, tokenstorev1.TokenService_RevealToken_FullMethodName,
		tokenstorev1.ErrandService_TakeErrands_FullMethodName, tokenstorev1.FleetService_Beat_FullMethodName,
		tokenstorev1.RequestLogService_Append_FullMethodName, tokenstorev1.ConfigService_ClaimAdminToken_FullMethodName,
	} {
		if allowed := grpcapi.Rights()[method]; !slices.Equal(allowed, []string{"gateways"}) {
			t.Errorf("%s may be called by %v", method, allowed)
		}
	}
}
