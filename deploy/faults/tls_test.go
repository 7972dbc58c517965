package faults_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// connectionAge is how long connections last in these tests. Sessions last a fifth of it.
const connectionAge = 2 * time.Second

// gatewayPair is what gateways show now.
func gatewayPair(t *testing.T, folder string) *tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "gateway", "tls.crt"), filepath.Join(folder, "gateway", "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	return &pair
}

// accepts tells whether a tokenstore goes on with who shows this.
func accepts(t *testing.T, addr, folder string, shown *tls.Certificate) (bool, error) {
	t.Helper()
	bundle, err := os.ReadFile(filepath.Join(folder, "gateway", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(bundle)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dialer := tls.Dialer{Config: &tls.Config{
		RootCAs: trusted, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return shown, nil },
	}}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	_, err = conn.Read(make([]byte, 1)) // the server's settings, or its alert
	return err == nil, err
}

// All certificates and their authority are replaced under load, without a restart: no request
// fails, and who has only what was valid before is refused.
func TestCertificatesAreReplacedUnderLoad(t *testing.T) {
	skipUnlessAsked(t)
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "tls")
	stack.Certificates(t, folder)
	b := start(t, stack.Options{
		Tokenstores: 2, GatewayEnv: stack.TLSEnv(folder, "gateway"), TokenstoreEnv: append(stack.TLSEnv(folder, "tokenstore"), "CONNECTION_AGE="+connectionAge.String()),
	})
	processes := append([]*stack.Process{}, b.Tokenstores...)
	for _, gateway := range b.Gateways {
		processes = append(processes, gateway.Process)
	}
	changes := func(p *stack.Process) int { return strings.Count(p.Log(), "certificate files have changed") }
	sessions := func() (opened int) {
		for _, each := range b.Tokenstores {
			opened += strings.Count(each.Log(), "lease session opened")
		}
		return opened
	}
	b.shoot()
	first, opened := gatewayPair(t, folder), sessions()
	for _, says := range []string{"is trusted beside", "the next authority signs", "is not trusted any more"} {
		before := make([]int, len(processes))
		for i, each := range processes {
			before[i] = changes(each)
		}
		said := stack.Certificates(t, "--rotate", folder)
		b.mark("%s", strings.TrimSpace(said))
		if !strings.Contains(said, says) {
			t.Fatalf("the step says %q, want %q", said, says)
		}
		b.Eventually("every process has seen the step", time.Minute, func() bool {
			for i, each := range processes {
				if changes(each) == before[i] {
					return false
				}
			}
			return true
		})
		b.during(2 * connectionAge)
	}
	b.mark("%d sessions were opened meanwhile", sessions()-opened)
	shots := b.report()
	b.checkAnswers(shots, nil)
	b.checkCaps()
	b.checkLog(b.Gateways[0], shots, nil)
	b.checkLeases(b.Gateways[0])
	if accepted, err := accepts(t, b.TokenstoreAddr(), folder, gatewayPair(t, folder)); !accepted {
		t.Errorf("what gateways show now: %v", err)
	}
	if accepted, err := accepts(t, b.TokenstoreAddr(), folder, first); accepted || !strings.Contains(err.Error(), "unknown certificate authority") {
		t.Errorf("what they showed before: accepted %v, %v", accepted, err)
	}
	if accepted, err := accepts(t, b.TokenstoreAddr(), folder, &tls.Certificate{}); accepted || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("nothing: accepted %v, %v", accepted, err)
	}
}

// A pair that has the secret alone moves to certificates, under load: the tokenstore takes both,
// the gateways move, the tokenstore takes certificates alone. No request fails.
func TestMovingToCertificates(t *testing.T) {
	skipUnlessAsked(t)
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "tls")
	stack.Certificates(t, folder)
	b := start(t, stack.Options{GatewayEnv: []string{"DRAIN_DELAY=500ms"}})
	restartTokenstore := func(what string) {
		b.mark("the tokenstore is restarted: %s", what)
		b.Tokenstore.Stop()
		b.Tokenstore.Start()
		b.Eventually("the tokenstore is ready", time.Minute, b.TokenstoreReady)
		back := b.mark("the tokenstore is ready")
		t.Logf("normal after %s", b.recovered(back).Round(time.Millisecond))
		b.AwaitReserves("openai")
		b.during(2 * time.Second)
	}
	b.shoot()
	b.Tokenstore.SetEnv(append(stack.TLSEnv(folder, "tokenstore"), "TOKENSTORE_TLS_PLAINTEXT=true")...)
	restartTokenstore("it takes both")
	for i, gateway := range b.Gateways {
		b.mark("gateway %d moves", i+1)
		gateway.Leave()
		gateway.SetEnv(stack.TLSEnv(folder, "gateway")...)
		gateway.Stop()
		gateway.Start()
		b.WaitReady(gateway.Ops)
		gateway.Join()
		b.during(2 * time.Second)
	}
	b.AwaitReserves("openai")
	b.Tokenstore.SetEnv("TOKENSTORE_TLS_PLAINTEXT=false")
	restartTokenstore("it takes certificates alone")
	shots := b.report()
	b.checkAnswers(shots, nil)
	b.checkCaps()
	b.checkLog(b.Gateways[0], shots, nil)
	b.checkLeases(b.Gateways[0])
	if accepted, err := accepts(t, b.TokenstoreAddr(), folder, &tls.Certificate{}); accepted {
		t.Errorf("who shows nothing is accepted, %v", err)
	}
}
