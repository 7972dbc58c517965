package manual_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"carousel.internal/proto/freeport"
)

// start is the block that the examples of all documents need to be running.
const start = "go run ./deploy/local\n"

// pair is what that block has started, and what its first lines say.
type pair struct {
	url, key string
	command  *exec.Cmd
	stop     context.CancelFunc

	mu     sync.Mutex
	output strings.Builder
}

var exported = regexp.MustCompile(`export CAROUSEL=(http\S+) KEY=(sk-carousel-\S+)`)

// begin runs the block until the pair has said where it is; the test's end ends it. Of the
// network it can reach this machine alone: nothing here asks a provider.
func (c *clone) begin() *pair {
	c.t.Helper()
	_, port, err := net.SplitHostPort(freeport.MustAddr(c.t))
	if err != nil {
		c.t.Fatal(err)
	}
	const nowhere = "http://127.0.0.1:1"
	ctx, stop := context.WithCancel(context.Background())
	p := &pair{stop: stop}
	p.command = c.shell(ctx, start, "PORT="+port, "HTTP_PROXY="+nowhere, "HTTPS_PROXY="+nowhere, "NO_PROXY=localhost,127.0.0.1")
	reader, writer, err := os.Pipe()
	if err != nil {
		c.t.Fatal(err)
	}
	p.command.Stdout, p.command.Stderr = writer, writer
	err = p.command.Start()
	_ = writer.Close()
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { p.end(c.t) })
	ready := make(chan struct{})
	go p.read(reader, ready) // ends with the process
	select {
	case <-ready:
	case <-time.After(buildLimit):
	}
	if p.url == "" {
		c.t.Fatalf("%ssays no line that exports CAROUSEL and KEY:\n%s", start, p.said())
	}
	return p
}

// read gathers the output; ready is closed when the pair is, or never will be.
func (p *pair) read(from *os.File, ready chan<- struct{}) {
	defer from.Close()
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	told := false
	for lines.Scan() {
		p.mu.Lock()
		p.output.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
		if found := exported.FindStringSubmatch(lines.Text()); found != nil && !told {
			p.url, p.key, told = found[1], found[2], true
			close(ready)
		}
	}
	if !told {
		close(ready)
	}
}

func (p *pair) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// env is what the examples find in the environment: the line that was printed, and the
// variables of the command line.
func (p *pair) env() []string {
	return []string{"CAROUSEL=" + p.url, "KEY=" + p.key, "CAROUSEL_URL=" + p.url, "CAROUSEL_KEY=" + p.key}
}

// end ends it as Ctrl-C does, and waits. It may be called twice.
func (p *pair) end(t *testing.T) {
	t.Helper()
	if p.stop == nil {
		return
	}
	p.stop()
	p.stop = nil
	err := p.command.Wait()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) && !errors.Is(err, context.Canceled) {
		t.Errorf("%sdoes not end: %v\n%s", start, err, p.said())
	}
	gone(t, p.command.Process.Pid, start)
}
