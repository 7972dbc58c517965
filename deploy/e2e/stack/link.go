package stack

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
)

// Link is a network path to an address. While it is cut, nothing passes and nobody
// is told: what was sent arrives after it is mended, as over a real cable.
type Link struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu   sync.Mutex
	open chan struct{} // closed while the link is whole
	ends []net.Conn
	shut bool
}

func newLink(t testing.TB, to string) *Link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{listener: listener, to: to, open: make(chan struct{})}
	close(l.open)
	l.running.Go(l.serve)
	t.Cleanup(l.close)
	return l
}

// Addr is where the link begins.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Cut lets nothing pass until Mend.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.whole() {
		l.open = make(chan struct{})
	}
}

// Mend undoes Cut.
func (l *Link) Mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.whole() {
		close(l.open)
	}
}

// whole needs mu.
func (l *Link) whole() bool {
	select {
	case <-l.open:
		return true
	default:
		return false
	}
}

// pass waits until the link is whole.
func (l *Link) pass() {
	l.mu.Lock()
	open := l.open
	l.mu.Unlock()
	<-open
}

func (l *Link) serve() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		if !l.keep(near) {
			continue
		}
		l.running.Go(func() { l.connect(near) })
	}
}

// keep remembers a connection, to close it at the end; it closes it now where that
// has come.
func (l *Link) keep(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		_ = conn.Close()
		return false
	}
	l.ends = append(l.ends, conn)
	return true
}

func (l *Link) connect(near net.Conn) {
	l.pass()
	far, err := new(net.Dialer).DialContext(context.Background(), "tcp", l.to)
	if err != nil || !l.keep(far) {
		_ = near.Close()
		return
	}
	l.running.Go(func() { l.carry(far, near) })
	l.carry(near, far)
}

// carry brings bytes, and the end, from one side to the other.
func (l *Link) carry(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		l.pass()
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				_ = from.Close()
				return
			}
		}
		if err != nil {
			if err == io.EOF { //nolint:errorlint // Read does not wrap it
				_ = to.(*net.TCPConn).CloseWrite() //nolint:forcetypeassert // both ends are TCP
				return
			}
			_ = to.Close()
			return
		}
	}
}

func (l *Link) close() {
	_ = l.listener.Close()
	l.Mend()
	l.mu.Lock()
	l.shut = true
	ends := l.ends
	l.mu.Unlock()
	for _, end := range ends {
		_ = end.Close()
	}
	l.running.Wait()
}
