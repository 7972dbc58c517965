package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

// patience bounds the time until a tunnel is open.
const patience = 10 * time.Second

// tunnels opens tunnels through one proxy.
type tunnels struct {
	proxy *proxy
	// reach connects to an address.
	reach func(ctx context.Context, network, address string) (net.Conn, error)
	// roots are for an https proxy; nil: the system's.
	roots *x509.CertPool
	dead  grave
}

// transport makes a pool like the template, of connections through the proxy.
func (p *proxy) transport(template *http.Transport) *http.Transport {
	through := template.Clone()
	through.Proxy, through.DialContext = nil, p.tunnels(template).dial
	return through
}

// tunnels are those of a pool like the template.
func (p *proxy) tunnels(template *http.Transport) *tunnels {
	t := &tunnels{proxy: p, reach: template.DialContext}
	if t.reach == nil {
		t.reach = new(net.Dialer).DialContext
	}
	if template.TLSClientConfig != nil {
		t.roots = template.TLSClientConfig.RootCAs
	}
	return t
}

// dial opens a tunnel to the target, a host with a port. A proxy that is known to be
// dead fails at once.
func (t *tunnels) dial(ctx context.Context, _, target string) (net.Conn, error) {
	if err := t.dead.enter(time.Now()); err != nil {
		return nil, err
	}
	began := time.Now()
	conn, err := t.try(ctx, target)
	t.dead.leave(err, time.Since(began), time.Now())
	return conn, err
}

// try opens a tunnel, in the time that it may take.
func (t *tunnels) try(ctx context.Context, target string) (net.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := t.open(limited, target)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() != nil: // nobody is at fault
		return nil, ctx.Err()
	case limited.Err() != nil:
		return nil, t.proxy.blame("does not open a way to %s within %s", target, patience)
	default:
		return nil, err
	}
}

// open reaches the proxy and has it open the tunnel.
func (t *tunnels) open(ctx context.Context, target string) (net.Conn, error) {
	conn, err := t.reach(ctx, "tcp", t.proxy.address())
	if err != nil {
		return nil, t.proxy.blame("can't be reached: %v", err)
	}
	// The steps that follow know no context.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	tunnel, err := t.negotiate(ctx, conn, target)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return tunnel, nil
}

// negotiate turns a connection to the proxy into one to the target.
func (t *tunnels) negotiate(ctx context.Context, conn net.Conn, target string) (net.Conn, error) {
	switch t.proxy.kind {
	case plainHTTP:
		return t.proxy.connect(conn, target)
	case overTLS:
		secured := tls.Client(conn, &tls.Config{
			ServerName: t.proxy.host, RootCAs: t.roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		})
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, t.proxy.blame("fails in the TLS handshake: %v", err)
		}
		return t.proxy.connect(secured, target)
	default:
		return t.proxy.socks(conn, target)
	}
}
