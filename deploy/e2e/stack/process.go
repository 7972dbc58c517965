package stack

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is one program of the stack. It can be killed and started again on
// the same ports and data.
type Process struct {
	t    testing.TB
	name string
	path string
	// folder is its working directory; empty: the test's.
	folder string
	args   []string
	env    []string
	// logs gathers the output of all its lives.
	logs *lines

	mu      sync.Mutex
	command *exec.Cmd
	ended   chan struct{}
}

// startProcess starts a program; the test's end stops it.
func startProcess(t testing.TB, name, path, folder string, args, env []string) *Process {
	t.Helper()
	p := &Process{t: t, name: name, path: path, folder: folder, args: args, env: env, logs: newLines()}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("--- log of %s (its end) ---\n%s", name, p.logs.tail(40))
		}
	})
	p.Start()
	return p
}

// Start starts it, for the first time or again.
func (p *Process) Start() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	command := exec.Command(p.path, p.args...) //nolint:noctx // the test's own programs; ended by Stop or Kill
	command.Dir, command.Env = p.folder, append(BaseEnv(), p.env...)
	reader, writer, err := os.Pipe()
	if err != nil {
		p.t.Fatal(err)
	}
	command.Stdout, command.Stderr = writer, writer
	if err := command.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	_ = writer.Close()
	go p.logs.read(reader) // ends when the process has
	ended := make(chan struct{})
	p.command, p.ended = command, ended
	go func() { // ends with the process
		_ = command.Wait()
		close(ended)
	}()
}

// Signal sends a signal; a process that has ended is left alone.
func (p *Process) Signal(signal os.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.command.Process.Signal(signal)
}

// Freeze stops it as a machine that hangs: it keeps its connections and answers
// nothing until Thaw.
func (p *Process) Freeze() { p.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (p *Process) Thaw() { p.Signal(syscall.SIGCONT) }

// Replace stops it, and starts another program in its place: with the same
// environment, on the same ports and data.
func (p *Process) Replace(path string) {
	p.t.Helper()
	p.Stop()
	p.path = path
	p.Start()
}

// SetEnv has its next lives started with these, as KEY=value, over what it had before.
func (p *Process) SetEnv(env ...string) { p.env = append(slices.Clip(p.env), env...) }

// Restart kills it and starts it again at once.
func (p *Process) Restart() {
	p.t.Helper()
	p.Kill()
	p.Start()
}

// Kill ends it as `kill -9` does, and waits until it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	p.wait(Slack)
}

// Stop ends it as an orchestrator does: SIGTERM, after a while SIGKILL.
func (p *Process) Stop() {
	p.Signal(syscall.SIGTERM)
	p.Thaw() // a frozen one would not hear it
	if !p.wait(45 * time.Second) {
		p.Kill()
	}
}

func (p *Process) wait(limit time.Duration) bool {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	select {
	case <-ended:
		return true
	case <-time.After(limit):
		return false
	}
}

// ExitCode waits for the end and answers the code.
func (p *Process) ExitCode(limit time.Duration) int {
	p.t.Helper()
	if !p.wait(limit) {
		p.t.Fatalf("%s still runs after %s", p.name, limit)
	}
	return p.command.ProcessState.ExitCode()
}

// PID is that of its present life.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.command.Process.Pid
}

// Log is everything it has written.
func (p *Process) Log() string { return p.logs.text() }

// WaitLog waits until a line that contains text has been written.
func (p *Process) WaitLog(text string, limit time.Duration) string {
	p.t.Helper()
	line, ok := p.logs.wait(text, limit)
	if !ok {
		p.t.Fatalf("%s did not log %q within %s", p.name, text, limit)
	}
	return line
}

// BaseEnv is what a program needs of the test's environment: none of the
// settings that whoever runs the tests may have.
func BaseEnv() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOCOVERDIR"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// lines gathers the lines of an output.
type lines struct {
	mu      sync.Mutex
	all     []string
	changed chan struct{}
}

func newLines() *lines { return &lines{changed: make(chan struct{})} }

func (l *lines) read(from io.ReadCloser) {
	defer func() { _ = from.Close() }()
	scanner := bufio.NewScanner(from)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		l.mu.Lock()
		l.all = append(l.all, scanner.Text())
		close(l.changed)
		l.changed = make(chan struct{})
		l.mu.Unlock()
	}
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

func (l *lines) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all[max(len(l.all)-n, 0):], "\n")
}

func (l *lines) wait(text string, limit time.Duration) (string, bool) {
	deadline := time.After(limit)
	seen := 0
	for {
		l.mu.Lock()
		fresh, changed := l.all[seen:], l.changed
		seen = len(l.all)
		l.mu.Unlock()
		for _, line := range fresh {
			if strings.Contains(line, text) {
				return line, true
			}
		}
		select {
		case <-changed:
		case <-deadline:
			return "", false
		}
	}
}

var built struct {
	sync.Mutex
	folder string
	done   map[string]error
}

// binary builds a program of this repository, once per test run, and answers
// its path.
func binary(t testing.TB, module, pkg string) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.done == nil {
		folder, err := os.MkdirTemp("", "carousel-e2e") //nolint:usetesting // outlives the test: it is built once a run
		if err != nil {
			t.Fatal(err)
		}
		built.folder, built.done = folder, map[string]error{}
	}
	path := filepath.Join(built.folder, filepath.Base(pkg))
	err, known := built.done[pkg]
	if !known {
		command := exec.Command("go", "build", "-o", path, pkg) //nolint:noctx // our own packages
		command.Dir = filepath.Join(Root(t), module)
		if output, buildErr := command.CombinedOutput(); buildErr != nil {
			err = fmt.Errorf("%w\n%s", buildErr, output)
		}
		built.done[pkg] = err
	}
	if err != nil {
		t.Fatalf("build %s: %v", pkg, err)
	}
	return path
}

// Binary builds the program of a service, gateway or tokenstore, and answers its
// path.
func Binary(t testing.TB, service string) string {
	t.Helper()
	return binary(t, service, "./cmd/"+service)
}

// Main is the TestMain of a package whose tests start stacks: what was built for them is removed.
func Main(m *testing.M) {
	code := m.Run()
	removeBinaries()
	os.Exit(code)
}

func removeBinaries() {
	removeReleases()
	built.Lock()
	defer built.Unlock()
	if built.folder != "" {
		_ = os.RemoveAll(built.folder)
	}
}

// Root is the repository's root.
func Root(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.work")); err == nil {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			t.Fatal("no go.work above the test's folder")
		}
		folder = parent
	}
}
