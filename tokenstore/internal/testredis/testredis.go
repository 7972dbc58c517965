// Package testredis gives tests a Redis of their own: a real redis-server on a
// unix socket, or miniredis, or each in turn.
package testredis

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/freeport"
)

// Timeout bounds every wait of a test on its Redis. A wait that succeeds early costs nothing, and a
// machine that has much to do may keep a server from its work for seconds.
const Timeout = time.Minute

// Each runs the test on a real Redis and on miniredis.
func Each(t *testing.T, test func(*testing.T, redis.UniversalClient)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, Start(t))
	})
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		test(t, Mini(t))
	})
}

// Mini starts a miniredis for the test and answers a client of it.
func Mini(t testing.TB) redis.UniversalClient {
	t.Helper()
	return client(t, patient(&redis.Options{Addr: miniredis.RunT(t).Addr()}))
}

// MiniAt is Mini with a clock that stands still until the test sets it.
func MiniAt(t testing.TB, now time.Time) (mini redis.UniversalClient, setTime func(time.Time)) {
	t.Helper()
	server := miniredis.RunT(t)
	server.SetTime(now)
	return client(t, patient(&redis.Options{Addr: server.Addr()})), func(at time.Time) {
		server.FastForward(max(at.Sub(now), 0)) // keys expire only so
		server.SetTime(at)
		now = at
	}
}

// Start starts a redis-server for the test, append-only, and answers a client of it.
func Start(t testing.TB) redis.UniversalClient {
	t.Helper()
	return NewServer(t).Client(t)
}

// Server is a redis-server that a test may kill and start again; its data stays.
type Server struct {
	folder string
	// socket has a short path: the system allows about 100 bytes.
	socket  string
	options []string
	process *exec.Cmd
}

// NewServer starts a redis-server with the options of its command line. Where none is installed the
// test is skipped; with REQUIRE_REDIS=1 it fails.
func NewServer(t testing.TB, options ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("REQUIRE_REDIS") == "1" {
			t.Fatal("REQUIRE_REDIS=1, but no redis-server is installed")
		}
		t.Skip("no redis-server is installed")
	}
	sockets, err := os.MkdirTemp("", "redis") //nolint:usetesting // t.TempDir has long paths
	if err != nil {
		t.Fatal(err)
	}
	server := &Server{folder: t.TempDir(), socket: filepath.Join(sockets, "s"), options: options}
	t.Cleanup(func() {
		server.Kill()
		_ = os.RemoveAll(sockets)
	})
	server.Start(t)
	return server
}

// Folder is where the server keeps its data.
func (s *Server) Folder() string { return s.folder }

// Start runs the server and waits until it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	// Not bound to the test's context: it ends in Kill, after all cleanups that need it.
	s.process = exec.CommandContext(context.Background(), "redis-server", append([]string{
		"--port", "0", "--unixsocket", s.socket, "--dir", s.folder,
		"--appendonly", "yes", "--save", "", "--logfile", filepath.Join(s.folder, "log"),
	}, s.options...)...)
	// A child that the server has forked to save writes to the folder until it ends. It holds this
	// pipe, too, so that Wait waits for it.
	s.process.Stdout, s.process.WaitDelay = io.Discard, Timeout
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), Timeout)
	defer cancel()
	for !s.answers(ctx) {
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(s.folder, "log"))
			t.Fatalf("redis-server does not answer:\n%s", log)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// answers asks without the client library, which would log each attempt.
func (s *Server) answers(ctx context.Context) bool {
	connection, err := new(net.Dialer).DialContext(ctx, "unix", s.socket)
	if err != nil {
		return false
	}
	defer func() { _ = connection.Close() }()
	_ = connection.SetDeadline(time.Now().Add(Timeout)) // without it, the read fails just as well
	if _, err := connection.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	reply := make([]byte, len("+PONG"))
	_, err = io.ReadFull(connection, reply)
	return err == nil && string(reply) == "+PONG"
}

// Kill ends the server at once, as SIGKILL does. It may be started again.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill() // it has ended already
	_ = s.process.Wait()         // says that it was killed
	s.process = nil
}

// Pause makes the server silent, as SIGSTOP does, until Resume.
func (s *Server) Pause(t testing.TB) { s.signal(t, syscall.SIGSTOP) }

// Resume has it go on.
func (s *Server) Resume(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, what os.Signal) {
	t.Helper()
	if err := s.process.Process.Signal(what); err != nil {
		t.Fatal(err)
	}
}

// Options reach the server.
func (s *Server) Options() *redis.Options {
	return patient(&redis.Options{Network: "unix", Addr: s.socket, MaxRetries: -1})
}

// patient has a client wait as long as a test does.
func patient(options *redis.Options) *redis.Options {
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = Timeout, Timeout, Timeout, Timeout
	return options
}

// ListenTCP has the server listen on a port of loopback, too, and returns where.
func (s *Server) ListenTCP(t testing.TB) (host, port string) {
	t.Helper()
	host, port, _ = net.SplitHostPort(freeport.MustAddr(t))
	if err := s.Client(t).ConfigSet(t.Context(), "port", port).Err(); err != nil {
		t.Fatal(err)
	}
	return host, port
}

// Client answers a client of the server, closed at the test's end.
func (s *Server) Client(t testing.TB) redis.UniversalClient {
	t.Helper()
	return client(t, s.Options())
}

func client(t testing.TB, options *redis.Options) redis.UniversalClient {
	t.Helper()
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}
