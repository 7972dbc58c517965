package grpcapi

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// Beyond the limit a connection is closed at once, and does not wait in the way of
// others; what is closed makes room.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limited := &limitedListener{Listener: inner, limit: 2}
	accepted := make(chan net.Conn)
	go func() { // ends with the listener
		defer close(accepted)
		for {
			conn, err := limited.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	defer func() {
		_ = limited.Close()
		<-accepted
	}()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	dial()
	first := <-accepted
	dial()
	second := <-accepted
	defer func() { _ = second.Close() }()

	third := dial()
	_ = third.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := third.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("one beyond the limit: %v", err)
	}
	_ = first.Close()
	_ = first.Close() // a second time it does nothing
	dial()
	_ = (<-accepted).Close()
}
