package upstreamsim

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"time"
)

// connectionKey is the context's key of a request's net.Conn.
type connectionKey struct{}

func withConnection(ctx context.Context, connection net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, connection)
}

// connectionOf is the network connection of a request; nil without the simulator's own server.
func connectionOf(ctx context.Context) net.Conn {
	connection, _ := ctx.Value(connectionKey{}).(net.Conn)
	return connection
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

// cutConnection closes the connection under the stream.
func (c *agentCall) cutConnection() error {
	c.how = EndBroken
	connection := connectionOf(c.r.Context())
	if connection == nil {
		return c.cut()
	}
	c.entry.complete()
	return connection.Close()
}

// goAway tells the client that streams above the last are not served, and closes the connection.
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
