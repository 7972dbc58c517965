package upstreamtest

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
)

// OverHTTP2 has a server that is not started yet speak HTTP/2 without TLS, and no other
// version. Cut then cuts its connections.
func OverHTTP2(server *httptest.Server) {
	server.Listener = cutListener{server.Listener}
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, conn)
	}
}

// connKey is where a request's context has its connection.
type connKey struct{}

// Cut cuts the connection of a request to an OverHTTP2 server after all that the handler, whose
// last act it is, has written.
func Cut(r *http.Request) {
	if conn, ok := r.Context().Value(connKey{}).(*cutConn); ok {
		conn.cut.Store(true)
	}
	panic(http.ErrAbortHandler)
}

type cutListener struct{ net.Listener }

// Accept implements net.Listener.
func (l cutListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &cutConn{Conn: conn}, nil
}

// cutConn is a connection that ends where the reset of a stream would follow: what a handler
// has written is buffered, and the reset comes behind it.
type cutConn struct {
	net.Conn
	cut atomic.Bool
}

// resetHead begins the frame that resets a stream: 4 bytes, of the type 3, without flags.
var resetHead = []byte{0, 0, 4, 3, 0}

// Write implements io.Writer.
func (c *cutConn) Write(p []byte) (int, error) {
	if !c.cut.Load() {
		return c.Conn.Write(p)
	}
	at := bytes.Index(p, resetHead)
	if at < 0 {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:at])
	if err != nil {
		return n, err
	}
	// The other side is to see an end, and no reset of what it has not read.
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		err = half.CloseWrite()
	}
	if err == nil {
		err = net.ErrClosed
	}
	return n, err
}
