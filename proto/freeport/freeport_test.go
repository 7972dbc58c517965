package freeport

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
)

// asked is how many ports each process of TestPortsAreNobodyElses asks for: more than
// two blocks have.
const asked = 2*blockSize + 10

// A process that this environment variable is set for is one of those of
// TestPortsAreNobodyElses: it prints ports, and ends with its input.
const isChild = "FREEPORT_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(isChild) == "" {
		m.Run()
		return
	}
	var calls sync.WaitGroup
	for range asked {
		calls.Go(func() {
			addr, err := Addr()
			_, _ = fmt.Fprintln(os.Stdout, addr, err)
		})
	}
	calls.Wait()
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// However many ask, in as many processes as there are, each gets a port of its own,
// and can listen on it.
func TestPortsAreNobodyElses(t *testing.T) {
	t.Parallel()
	const processes = 5
	given := make(chan string, processes*asked)
	input, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	var children []*exec.Cmd
	defer func() {
		_, _ = end.Close(), input.Close()
		for _, child := range children {
			if err := child.Wait(); err != nil {
				t.Error(err)
			}
		}
	}()
	var reading sync.WaitGroup
	for range processes {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), isChild+"=1")
		child.Stdin, child.Stderr = input, os.Stderr
		output, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, child)
		reading.Go(func() {
			lines := bufio.NewScanner(output)
			for range asked {
				if lines.Scan() {
					given <- lines.Text()
				}
			}
		})
	}
	reading.Wait()
	close(given)
	seen := map[string]bool{}
	for line := range given {
		var addr, failure string
		if _, err := fmt.Sscan(line, &addr, &failure); err != nil || failure != "<nil>" {
			t.Fatalf("a process said %q", line)
		}
		if seen[addr] {
			t.Errorf("%s was given twice", addr)
		}
		seen[addr] = true
		_, text, err := net.SplitHostPort(addr)
		if port, _ := strconv.Atoi(text); err != nil || port < lowest || port >= beyond {
			t.Errorf("%s lies outside of the ports that are ours", addr)
		}
		listener, err := listen(addr)
		if err != nil {
			t.Errorf("nobody can listen there: %v", err)
			continue
		}
		_ = listener.Close()
	}
	if len(seen) != processes*asked {
		t.Errorf("%d ports, want %d", len(seen), processes*asked)
	}
}

// A port on which a stranger listens, on whichever address, is passed over. It does not run beside
// tests that fork: their children would have the stranger's listener for a moment.
func TestStrangersKeepTheirPorts(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "0.0.0.0"} {
		_, port, err := net.SplitHostPort(MustAddr(t))
		if err != nil {
			t.Fatal(err)
		}
		stranger, err := listen(net.JoinHostPort(host, port))
		if err != nil {
			t.Fatal(err)
		}
		number, _ := strconv.Atoi(port)
		a := allocator{port: number, end: number + 1, visited: blocks}
		if got, err := a.take(); !errors.Is(err, errExhausted) {
			t.Errorf("a stranger listens on %s:%d, and %d was given: %v", host, number, got, err)
		}
		_ = stranger.Close()
		a = allocator{port: number, end: number + 1, visited: blocks}
		if got, err := a.take(); err != nil || got != number {
			t.Errorf("the stranger has gone: %d, %v, want %d", got, err, number)
		}
	}
}

// When all is taken, that is said, and no port is given again.
func TestExhaustion(t *testing.T) {
	t.Parallel()
	a := allocator{visited: blocks - 2}
	t.Cleanup(func() {
		for _, lock := range a.locks {
			_ = lock.Close()
		}
	})
	seen := map[int]bool{}
	for {
		port, err := a.take()
		if errors.Is(err, errExhausted) {
			break
		}
		if err != nil || seen[port] {
			t.Fatalf("%d again, %v", port, err)
		}
		seen[port] = true
	}
	if len(seen) > 2*(blockSize-1) {
		t.Errorf("%d ports of two blocks", len(seen))
	}
}
