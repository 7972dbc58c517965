// Package gather lets several writes to a connection leave in one system call. net/http
// writes through a buffer of 4 KiB, so that a larger piece of an answer costs several of them,
// and wakes its reader as often.
package gather

import (
	"context"
	"net"
	"sync"
	"time"
)

// OnePiece is how many bytes of an answer net/http sends in one write with what it puts around
// them. Holding is for more.
const OnePiece = 2 << 10

// maxHeld bounds what a connection holds, in bytes. What is more goes out at once.
const maxHeld = 32 << 10

// buffers are the places of what is held. A connection has one only while it holds something.
var buffers = sync.Pool{New: func() any { return new(buffer) }}

type buffer [maxHeld]byte

// Conn is a connection that can hold what is written to it. Hold, Write and Release are called
// by one goroutine at a time; Close by any.
type Conn struct {
	net.Conn

	mu      sync.Mutex
	holding bool
	held    *buffer // nil: nothing is held
	length  int
}

// Hold has what is written from now on wait for Release, for the connection's Close, or for the
// end of the write deadline. The latter is how net/http ends each answer.
func (c *Conn) Hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holding = true
}

// Release writes what is held, and holds nothing more. Where that fails the connection is closed:
// whoever wrote has been told that all is well.
func (c *Conn) Release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holding = false
	return c.write()
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holding && c.length+len(p) <= maxHeld {
		if c.held == nil {
			c.held = buffers.Get().(*buffer)
		}
		c.length += copy(c.held[c.length:], p)
		return len(p), nil
	}
	if err := c.write(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// write writes what is held. mu is held.
func (c *Conn) write() error {
	if c.held == nil {
		return nil
	}
	_, err := c.Conn.Write(c.held[:c.length])
	buffers.Put(c.held)
	c.held, c.length = nil, 0
	if err != nil {
		_ = c.Conn.Close()
	}
	return err
}

// SetWriteDeadline implements net.Conn. What is held is written before the deadline ends.
func (c *Conn) SetWriteDeadline(at time.Time) error {
	if at.IsZero() {
		if err := c.Release(); err != nil {
			return err
		}
	}
	return c.Conn.SetWriteDeadline(at)
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(at time.Time) error {
	if at.IsZero() {
		if err := c.Release(); err != nil {
			return err
		}
	}
	return c.Conn.SetDeadline(at)
}

// Close implements net.Conn. It does not wait for a write that is under way.
func (c *Conn) Close() error {
	if c.mu.TryLock() {
		defer c.mu.Unlock()
		_ = c.write() // there is nobody left to tell
	}
	return c.Conn.Close()
}

// Listener makes Conns of the connections that a listener accepts.
func Listener(listener net.Listener) net.Listener { return gathering{listener} }

type gathering struct{ net.Listener }

// Accept implements net.Listener.
func (g gathering) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: conn}, nil
}

type connKey struct{}

// Context makes the context of a connection's requests, for http.Server.ConnContext.
func Context(ctx context.Context, conn net.Conn) context.Context {
	if gathers, ok := conn.(*Conn); ok {
		return context.WithValue(ctx, connKey{}, gathers)
	}
	return ctx
}

// Of returns the connection that a request came by; nil: it is none of a Listener's.
func Of(ctx context.Context) *Conn {
	conn, _ := ctx.Value(connKey{}).(*Conn)
	return conn
}
