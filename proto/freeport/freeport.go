// Package freeport hands out TCP ports to programs which can't listen on port 0
// and tell where, such as a redis-server, or which are restarted on the port that
// they had. It is for tests and tools.
//
// Asking the kernel for a port and closing it again leaves a port that anybody may
// have next: the next caller, or any connection on its way out. Ports from here
// are nobody else's: they lie outside the range from which kernels choose, none is
// given twice in a process, and processes that run side by side have none in
// common.
package freeport

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// The ports lie below the ranges from which Linux (32768) and macOS (49152) choose
// by themselves, and below the node ports of Kubernetes.
const (
	lowest = 20000
	beyond = 30000
	// blockSize is how many ports a process takes hold of at a time. The first of them
	// is the lock.
	blockSize = 50
	blocks    = (beyond - lowest) / blockSize
)

var errExhausted = errors.New("freeport: all ports are taken")

// process is what this process has taken hold of.
var process = allocator{next: os.Getpid() % blocks}

// allocator gives out the ports of one block after the other.
type allocator struct {
	mu sync.Mutex
	// locks listen on the first port of each block, so that no other process takes
	// the block. They are never closed: the kernel does that when the process ends,
	// however it ends.
	locks []net.Listener
	// next and visited are the block to try next, and how many were tried. The first
	// one differs from process to process, so that what is left of a process that has
	// ended (a client that still dials) does not meet the one after it.
	next, visited int
	// port and end are what is left of the present block.
	port, end int
}

// Addr returns an address on loopback, 127.0.0.1:port.
func Addr() (string, error) {
	port, err := process.take()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), err
}

// MustAddr is Addr for a test, which fails where there is none.
func MustAddr(t testing.TB) string {
	t.Helper()
	addr, err := Addr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// MustPort returns the port alone.
func MustPort(t testing.TB) string {
	t.Helper()
	_, port, err := net.SplitHostPort(MustAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func (a *allocator) take() (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		for a.port < a.end {
			port := a.port
			a.port++
			if free(port) {
				return port, nil
			}
		}
		if err := a.lockBlock(); err != nil {
			return 0, err
		}
	}
}

// lockBlock takes hold of the next block that no other process has.
func (a *allocator) lockBlock() error {
	for ; a.visited < blocks; a.visited++ {
		first := lowest + a.next*blockSize
		a.next = (a.next + 1) % blocks
		lock, err := listen("127.0.0.1:" + strconv.Itoa(first))
		if err != nil {
			continue
		}
		a.visited++
		a.locks = append(a.locks, lock)
		a.port, a.end = first+1, first+blockSize
		return nil
	}
	return errExhausted
}

// free tells whether nobody listens on the port, on any address: whoever gets it
// may listen on all of them. A program that knows nothing of the locks may be there.
func free(port int) bool {
	// A child that is forked meanwhile would have the listener until it runs its program.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	listener, err := listen(":" + strconv.Itoa(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

func listen(addr string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
}
