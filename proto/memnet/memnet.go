// Package memnet connects clients and servers of tests within the process, also in the bubbles of
// testing/synctest. It starts no timers: those that are due at once can crash a bubble under the
// race detector (Go 1.26), and gRPC's bufconn makes four of them a connection.
package memnet

import (
	"context"
	"net"
	"sync"
)

// Listener is a net.Listener for what dials it. What is written waits until it is read.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

// Listen makes a Listener. In a bubble it belongs to that.
func Listen() *Listener {
	l := &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

// DialContext connects to the listener, or returns net.ErrClosed after its end.
func (l *Listener) DialContext(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections go on.
func (l *Listener) Close() error {
	l.close()
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return address{} }

type address struct{}

func (address) Network() string { return "memory" }
func (address) String() string  { return "memory" }
