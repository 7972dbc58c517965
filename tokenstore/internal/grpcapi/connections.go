package grpcapi

import (
	"net"
	"sync"
	"sync/atomic"
)

// maxConnections bounds the connections of a server: many times as many as there are
// gateways, far fewer than there are descriptors.
const maxConnections = 1000

// LimitConnections bounds the connections that are open at a time. One beyond is closed
// at once: who keeps it waiting would keep gateways waiting behind it.
func LimitConnections(listener net.Listener) net.Listener {
	return &limitedListener{Listener: listener, limit: maxConnections}
}

type limitedListener struct {
	net.Listener
	limit int64
	open  atomic.Int64
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.limit {
			return &limitedConn{Conn: conn, ended: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		_ = conn.Close()
	}
}

type limitedConn struct {
	net.Conn
	ended func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	c.ended()
	return c.Conn.Close()
}
