// Package proxysim has forward proxies on loopback, for tests: http, https and socks5, with
// or without a user name and a password. They count what passes them, and can be killed and
// started again.
//
// A program that shall trust an https one is given Certificate, or runs with the path of
// CertificatePEM in its environment variable SSL_CERT_FILE.
package proxysim

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"maps"
	"net"
	"net/url"
	"sync"
	"syscall"
	"time"

	"carousel.internal/proto/freeport"
)

// Kind is what is spoken with a proxy: the scheme of its URL.
type Kind string

// The kinds.
const (
	HTTP   Kind = "http"
	HTTPS  Kind = "https"
	SOCKS5 Kind = "socks5"
)

// Kinds lists every kind.
func Kinds() []Kind { return []Kind{HTTP, HTTPS, SOCKS5} }

// Options say how a proxy is. The zero value is an open one over HTTP.
type Options struct {
	Kind Kind
	// User and Password are what it wants of its clients; both empty: nothing.
	User, Password string
}

// Counts are what a proxy has seen so far.
type Counts struct {
	// Connections of clients, and how many of them were refused for their user name or
	// password, or the want of them.
	Connections, Refused int
	// Targets are how many tunnels were opened, by the host and port that was asked for.
	Targets map[string]int
	// Sent are the bytes from clients to targets, Received those that came back.
	Sent, Received int64
}

// Tunnels is how many were opened.
func (c Counts) Tunnels() int {
	all := 0
	for _, n := range c.Targets {
		all += n
	}
	return all
}

// handshakeTime bounds what comes before a tunnel, and reaching the target.
const handshakeTime = 10 * time.Second

// maxTunnels bounds the tunnels whose addresses are kept.
const maxTunnels = 1 << 20

// Proxy is a proxy that runs. It is safe for concurrent use.
type Proxy struct {
	options  Options
	address  string
	identity tls.Certificate // of an https one

	mu       sync.Mutex
	listener net.Listener // nil while it is killed
	// open are its connections, on both sides.
	open   map[net.Conn]bool
	counts Counts
	// mine are the addresses from which targets were reached.
	mine map[string]bool
	// running has the listener and the connections.
	running sync.WaitGroup
}

// Start starts a proxy on a free port. The caller closes it.
func Start(options Options) (*Proxy, error) {
	if options.Kind == "" {
		options.Kind = HTTP
	}
	p := &Proxy{options: options, open: map[net.Conn]bool{}, mine: map[string]bool{}, counts: Counts{Targets: map[string]int{}}}
	var err error
	if p.address, err = freeport.Addr(); err != nil {
		return nil, err
	}
	if options.Kind == HTTPS {
		if p.identity, err = newIdentity(); err != nil {
			return nil, err
		}
	}
	return p, p.Reopen()
}

// listen waits for its address, at most a minute: a program that this process starts has the
// listener that was closed for a moment longer.
func (p *Proxy) listen() (net.Listener, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(time.Minute); ; <-tick.C {
		listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", p.address)
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(until) {
			return listener, err
		}
	}
}

// Reopen starts a proxy again that was closed, on its address.
func (p *Proxy) Reopen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return errors.New("proxysim: it is open")
	}
	listener, err := p.listen()
	if err != nil {
		return err
	}
	if p.options.Kind == HTTPS {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{p.identity}, MinVersion: tls.VersionTLS12})
	}
	p.listener = listener
	p.running.Go(func() { p.accept(listener) })
	return nil
}

// Close kills the proxy with all its connections. It returns when nothing of it runs.
func (p *Proxy) Close() {
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	for conn := range p.open {
		_ = conn.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

// URL is the proxy's, with user name and password.
func (p *Proxy) URL() string { return p.URLFor(p.options.User, p.options.Password) }

// URLFor is the proxy's URL with another user name and password.
func (p *Proxy) URLFor(user, password string) string {
	at := url.URL{Scheme: string(p.options.Kind), Host: p.address}
	if user+password != "" {
		at.User = url.UserPassword(user, password)
	}
	return at.String()
}

// Address is where it listens.
func (p *Proxy) Address() string { return p.address }

// Certificate is what clients of an https one have to trust; nil for others.
func (p *Proxy) Certificate() *x509.Certificate { return p.identity.Leaf }

// Counts returns what has passed so far.
func (p *Proxy) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := p.counts
	counts.Targets = maps.Clone(counts.Targets)
	return counts
}

// Reached tells whether it is this proxy that a target sees as its client at that address.
func (p *Proxy) Reached(remote string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mine[remote]
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil { // it is closed
			return
		}
		if !p.enter(conn) {
			return
		}
		p.count(func(c *Counts) { c.Connections++ })
		p.running.Go(func() {
			defer p.leave(conn)
			p.serve(conn)
		})
	}
}

// enter has a connection closed with the proxy; false: the proxy is closed, and so is the
// connection.
func (p *Proxy) enter(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		_ = conn.Close()
		return false
	}
	p.open[conn] = true
	return true
}

func (p *Proxy) leave(conn net.Conn) {
	_ = conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, conn)
}

func (p *Proxy) count(change func(*Counts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.counts)
}

// serve speaks with one client.
func (p *Proxy) serve(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(handshakeTime))
	if p.options.Kind == SOCKS5 {
		p.serveSOCKS(conn)
	} else {
		p.serveHTTP(conn)
	}
}

// reach connects to a target. The caller leaves the connection.
func (p *Proxy) reach(target string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: handshakeTime}).DialContext(context.Background(), "tcp", target)
	if err != nil {
		return nil, err
	}
	if !p.enter(conn) {
		return nil, net.ErrClosed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mine) < maxTunnels {
		p.mine[conn.LocalAddr().String()] = true
	}
	p.counts.Targets[target]++
	return conn, nil
}

// accepts tells whether a client may use the proxy, and counts it where it may not.
func (p *Proxy) accepts(user, password string) bool {
	if user == p.options.User && password == p.options.Password || p.isOpen() {
		return true
	}
	p.count(func(c *Counts) { c.Refused++ })
	return false
}

// isOpen tells whether anybody may use the proxy.
func (p *Proxy) isOpen() bool { return p.options.User+p.options.Password == "" }
