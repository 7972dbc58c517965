package upstreamsim

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// connectionKey is the context's key of a request's *watchedConn.
type connectionKey struct{}

// watchedConn is a connection of the simulator's server.
type watchedConn struct {
	net.Conn
	closedAt atomic.Pointer[time.Time] // nil while it is open
}

// withConnection remembers a connection until it is closed, and for its requests.
func (s *Simulator) withConnection(ctx context.Context, connection net.Conn) context.Context {
	watched := &watchedConn{Conn: connection}
	s.connections.Store(connection, watched)
	return context.WithValue(ctx, connectionKey{}, watched)
}

// connectionState forgets connections that are closed, and notes when that was.
func (s *Simulator) connectionState(connection net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	if watched, known := s.connections.LoadAndDelete(connection); known {
		now := s.options.Now()
		watched.(*watchedConn).closedAt.Store(&now)
		s.watchers.notify()
	}
}

// connectionOf is the network connection of a request; nil without the simulator's own server.
func connectionOf(ctx context.Context) *watchedConn {
	watched, _ := ctx.Value(connectionKey{}).(*watchedConn)
	return watched
}

// closed is when the connection was closed; zero while it is open, or where none is known.
func (w *watchedConn) closed() time.Time {
	if w == nil {
		return time.Time{}
	}
	if at := w.closedAt.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// breaks sends half of something and ends the body without an end frame.
func (c *agentCall) breaks(event []byte) step {
	return func() error {
		c.how = EndBroken
		c.freeSlot()
		return c.finish(event)
	}
}

// breakOff resets the stream.
func (c *agentCall) breakOff() error {
	c.how = EndBroken
	return c.reset()
}

// cutConnection closes the connection under the stream, and under all others that it carries.
func (c *agentCall) cutConnection() error {
	c.how = EndBroken
	connection := connectionOf(c.r.Context())
	if connection == nil {
		return c.cut()
	}
	c.entry.complete()
	return connection.Close()
}

// goAway tells the client that streams above the last are not served, and closes the connection
// under all that it carries.
// The server writes whole frames, so that one of our own may stand between them.
func (c *agentCall) goAway(last uint32) error {
	c.how = EndBroken
	connection := connectionOf(c.r.Context())
	if connection == nil {
		return errors.New("goaway needs the simulator's own server")
	}
	c.entry.complete()
	frame := []byte{0, 0, 8, 7, 0, 0, 0, 0, 0} // length 8, type GOAWAY, stream 0
	frame = binary.BigEndian.AppendUint32(frame, last)
	frame = binary.BigEndian.AppendUint32(frame, 0) // NO_ERROR
	if _, err := connection.Write(frame); err != nil {
		return err
	}
	return errors.Join(c.pause(goAwayGap), connection.Close())
}

// goAwayGap is the time between a GOAWAY and the end of its connection.
const goAwayGap = 20 * time.Millisecond
