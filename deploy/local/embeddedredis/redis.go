// Package embeddedredis gives one process a Redis of its own: a redis-server from
// PATH where there is one, else one written in Go whose state is kept in a file.
// In both, what Sync has confirmed survives a `kill -9`. It knows nothing of what
// is stored.
package embeddedredis

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"

	"github.com/redis/go-redis/v9"
)

// Redis is a running one.
type Redis struct {
	// Kind says what it is, for people.
	Kind string
	// Client is connected to it; Close closes it.
	Client redis.UniversalClient
	// Sync waits until everything written is on disk; nil where the server's own
	// means serve.
	Sync func(context.Context) error
	// Lost receives one error when it ends by itself; nil where it can't.
	Lost <-chan error

	stop func()
}

// Close stops it, everything written first.
func (r *Redis) Close() { r.stop() }

// Start starts one on the folder, which it makes and which no other process may
// use. goOnly leaves a redis-server in PATH alone.
func Start(ctx context.Context, folder string, goOnly bool, log *slog.Logger) (*Redis, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := lockFolder(ctx, folder)
	if err != nil {
		return nil, err
	}
	var started *Redis
	if path, err := exec.LookPath("redis-server"); err == nil && !goOnly {
		started, err = startServer(ctx, path, folder, lock, log)
		if err != nil {
			_ = lock.Close()
			return nil, err
		}
	} else if started, err = startGo(folder, log); err != nil {
		_ = lock.Close()
		return nil, err
	}
	stop := started.stop
	started.stop = func() {
		stop()
		_ = lock.Close() // the lock goes with it
	}
	return started, nil
}
