package http1

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is a connection to a host. One exchange has it, or the pool.
type conn struct {
	net.Conn
	pool         *idle
	scheme, host string
	// cut ends the connection, and hungUp tells that it was called: over TLS, who hangs up may
	// read the other's farewell before its own socket is closed, which is no end of an answer.
	// cut is here so that no exchange has to make it.
	cut    func()
	hungUp atomic.Bool
	// since is when it became idle.
	since time.Time
	// raw is the socket, where there is one; probe looks into it.
	raw    syscall.RawConn
	probe  func(fd uintptr) bool
	silent bool // what probe has found
	// layered: there is more than the socket, which may have read ahead.
	layered bool
}

// usualPorts are for URLs without one.
var usualPorts = map[string]string{"http": "80", "https": "443"}

// open makes a connection to the host of a URL.
func (t *Transport) open(ctx context.Context, to *url.URL) (*conn, error) {
	address := net.JoinHostPort(to.Hostname(), cmp.Or(to.Port(), usualPorts[to.Scheme]))
	opened, err := t.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if to.Scheme == "https" {
		if opened, err = t.secure(ctx, opened, to.Hostname()); err != nil {
			return nil, err
		}
	}
	c := &conn{Conn: opened, pool: &t.idle, scheme: to.Scheme, host: to.Host}
	c.cut = func() {
		c.hungUp.Store(true)
		_ = opened.Close()
	}
	if c.raw, c.layered, err = socketOf(opened); err != nil {
		c.cut()
		return nil, err
	}
	c.probe = func(fd uintptr) bool {
		c.silent = isSilent(fd)
		return true
	}
	return c, nil
}

// secure begins TLS. It closes the connection where that fails.
func (t *Transport) secure(ctx context.Context, opened net.Conn, host string) (net.Conn, error) {
	config := t.tls
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName = host
	}
	if t.handshake > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.handshake)
		defer cancel()
	}
	secured := tls.Client(opened, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = opened.Close()
		return nil, &HandshakeError{err}
	}
	return secured, nil
}

// socketOf finds the socket below TLS and tunnels; nil: there is none. layered tells that they
// are there.
func socketOf(c net.Conn) (socket syscall.RawConn, layered bool, err error) {
	for {
		switch at := c.(type) {
		case syscall.Conn:
			socket, err = at.SyscallConn()
			return socket, layered, err
		case interface{ NetConn() net.Conn }:
			c, layered = at.NetConn(), true
		default:
			return nil, layered, nil
		}
	}
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// quiet tells whether an idle connection is open, and nothing has come that nobody asked for:
// it would be taken for the next answer.
func (c *conn) quiet() bool {
	if c.raw == nil {
		return c.saysNothing(time.Now().Add(time.Millisecond))
	}
	if c.raw.Read(c.probe) != nil || !c.silent {
		return false
	}
	return !c.layered || c.saysNothing(past)
}

// saysNothing tells whether nothing comes until the deadline. What is here already comes in
// spite of it.
func (c *conn) saysNothing(deadline time.Time) bool {
	if c.SetReadDeadline(deadline) != nil {
		return false
	}
	var one [1]byte
	n, err := c.Read(one[:])
	timeout, is := err.(net.Error) //nolint:errorlint // what connections return
	return n == 0 && is && timeout.Timeout() && c.SetReadDeadline(time.Time{}) == nil
}
