package embeddedredis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// startLimit is how long a redis-server may take to load its data.
const startLimit = 30 * time.Second

// startServer runs a redis-server with append-only persistence. It listens on a
// socket in a folder that only this user may enter, and on no port.
func startServer(ctx context.Context, path, folder string, lock *os.File, log *slog.Logger) (*Redis, error) {
	data := filepath.Join(folder, "redis")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	// Not in the data folder: a socket's path may have 107 bytes at most.
	sockets, err := os.MkdirTemp("", "carousel")
	if err != nil {
		return nil, fmt.Errorf("folder for the Redis socket: %w", err)
	}
	socket := filepath.Join(sockets, "redis.sock")
	var output tail
	command := exec.Command(path, "--port", "0", "--unixsocket", socket, "--dir", data, //nolint:noctx // found in PATH by name; ended by stop
		"--appendonly", "yes", "--appendfsync", everySecond, "--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no")
	command.Stdout, command.Stderr = &output, &output
	command.ExtraFiles = []*os.File{lock}
	command.SysProcAttr = childAttributes()

	ended := make(chan error, 1)
	begun := make(chan error, 1)
	go func() { // ends with the child
		// The child's death signal is tied to the thread that started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		begun <- err
		if err == nil {
			ended <- command.Wait()
		}
	}()
	if err := <-begun; err != nil {
		_ = os.RemoveAll(sockets)
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, DialTimeout: 2 * time.Second, ReadTimeout: 5 * time.Second})
	gone := make(chan struct{})
	lost := make(chan error, 1)
	stopping := make(chan struct{})
	go func() { // ends with the child
		err := <-ended
		close(gone)
		select {
		case <-stopping:
		default:
			lost <- fmt.Errorf("redis-server ended: %w; it said: %s", errors.Join(err), output.String())
		}
	}()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			close(stopping)
			_ = client.Close()
			_ = command.Process.Signal(os.Interrupt) // ended already: nothing to stop
			select {
			case <-gone:
			case <-time.After(10 * time.Second):
				log.Warn("redis-server does not stop; killing it")
				_ = command.Process.Kill()
				<-gone
			}
			_ = os.RemoveAll(sockets)
		})
	}
	err = waitForServer(ctx, socket, client, lost)
	if err == nil {
		err = saveAsSafely(ctx, client)
	}
	if err != nil {
		stop()
		return nil, err
	}
	return &Redis{Kind: "redis-server (" + path + ")", Client: client, Lost: lost, stop: stop}, nil
}

// waitForServer waits until a server has taken its socket, and then until it has its data.
func waitForServer(ctx context.Context, socket string, client *redis.Client, lost <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		// By a connection of its own: the client waits longer before it tries again.
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err == nil {
			_ = conn.Close()
			err = client.Ping(ctx).Err()
		}
		if err == nil {
			return nil
		}
		select {
		case lostErr := <-lost:
			return lostErr
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not answer: %w", err)
		case <-ticker.C:
		}
	}
}

// saveAsSafely has a server that was started with everysec, and has been asked nothing yet, save
// as its version has to.
func saveAsSafely(ctx context.Context, client *redis.Client) error {
	said, err := client.Info(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("redis-server: %w", err)
	}
	if fsync := fsyncOf(said); fsync != everySecond {
		if err := client.ConfigSet(ctx, "appendfsync", fsync).Err(); err != nil {
			return fmt.Errorf("redis-server: appendfsync %s: %w", fsync, err)
		}
	}
	return nil
}

// tail keeps the last bytes written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 4 << 10
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if len(t.text) > most {
		t.text = bytes.Clone(t.text[len(t.text)-most:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
