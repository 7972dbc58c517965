package manual_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

const (
	// buildLimit is for what may have to build all programs from nothing.
	buildLimit = 10 * time.Minute
	// blockLimit is for one block.
	blockLimit = 2 * time.Minute
	// endLimit is how long a program may take to end that was asked to.
	endLimit = 30 * time.Second
)

// clone is a fresh clone of the repository as it stands here, with what is not committed
// yet, and somebody who has only just come: an empty home.
type clone struct {
	t      *testing.T
	folder string
	env    []string
}

func newClone(t *testing.T) *clone {
	t.Helper()
	home := t.TempDir()
	c := &clone{t: t, folder: filepath.Join(t.TempDir(), "carousel"), env: newcomer(t, home)}
	copyCheckout(t, stack.Root(t), c.folder)
	for _, args := range [][]string{
		{"init", "--quiet"},
		{"add", "--all"},
		{"-c", "user.name=somebody", "-c", "user.email=somebody@example.com", "commit", "--quiet", "--message=as it stands"},
	} {
		c.git(args...)
	}
	return c
}

// newcomer is the environment of somebody whose home is empty but for Go's caches. Answers
// of curl that are errors are failures, and nothing takes long.
func newcomer(t *testing.T, home string) []string {
	t.Helper()
	tools := filepath.Join(home, "tools")
	if err := os.Mkdir(tools, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{".curlrc": "fail-with-body\nsilent\nshow-error\nmax-time = 30\n", "tools/claude": claude} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{
		"HOME=" + home, "PATH=" + tools + string(os.PathListSeparator) + os.Getenv("PATH"), "NO_COLOR=1",
		"GOFLAGS=-buildvcs=false", // as other tests build, whose packages are at hand
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOROOT", "GOPROXY", "GONOSUMDB", "GOTOOLCHAIN"} {
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(value)))
	}
	return env
}

// claude stands in for Claude Code: it asks what that asks of both models.
const claude = `#!/bin/sh
set -eu
for model in "$ANTHROPIC_MODEL" "$ANTHROPIC_DEFAULT_HAIKU_MODEL"; do
  curl "$ANTHROPIC_BASE_URL/v1/messages?beta=true" -H "Authorization: Bearer $ANTHROPIC_AUTH_TOKEN" -H "anthropic-version: 2023-06-01" \
    -d "{\"model\": \"$model\", \"max_tokens\": 50, \"stream\": true, \"messages\": [{\"role\": \"user\", \"content\": \"Hello!\"}]}" |
    grep "event: message_stop"
done
`

// copyCheckout copies what git knows of a checkout, and what it would take in.
func copyCheckout(t *testing.T, from, to string) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = from
	names, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files in %s: %v", from, err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		err := copyFile(filepath.Join(from, name), filepath.Join(to, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // one that was deleted and not committed
			t.Fatal(err)
		}
	}
}

func copyFile(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	if info.Mode().Type() == fs.ModeSymlink {
		leads, err := os.Readlink(from)
		return errors.Join(err, os.Symlink(leads, to))
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

// git runs git in the clone and answers what it says.
func (c *clone) git(args ...string) string {
	c.t.Helper()
	command := exec.CommandContext(c.t.Context(), "git", args...)
	command.Dir, command.Env = c.folder, c.env
	said, err := command.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %v: %v\n%s", args, err, said)
	}
	return string(said)
}

// shell is a shell in the clone that is about to run a block as it stands. It leads a group of
// processes, so that its end is theirs.
func (c *clone) shell(ctx context.Context, text string, env ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "sh", "-eu", "-c", text)
	command.Dir, command.Env = c.folder, append(append([]string(nil), c.env...), env...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGINT) }
	command.WaitDelay = endLimit
	return command
}

// run runs a block, which must succeed.
func (c *clone) run(t *testing.T, limit time.Duration, text string, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	command := c.shell(ctx, text, env...)
	said, err := command.CombinedOutput()
	if ctx.Err() != nil {
		err = fmt.Errorf("it does not end within %s: %w", limit, err)
	}
	if err != nil {
		t.Errorf("%s\nfails: %v\n%s", text, err, said)
	}
	if command.Process != nil {
		gone(t, command.Process.Pid, text)
	}
}

// gone waits until the group that a shell has led is no more. What is left of it is ended.
func gone(t *testing.T, leader int, text string) {
	t.Helper()
	defer func() { _ = syscall.Kill(-leader, syscall.SIGKILL) }()
	stack.Eventually(t, "no process is left of "+text, endLimit, func() bool {
		return errors.Is(syscall.Kill(-leader, 0), syscall.ESRCH)
	})
}
