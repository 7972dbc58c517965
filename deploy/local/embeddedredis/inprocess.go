package embeddedredis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// startGo runs the Redis that is written in Go. It keeps everything in memory;
// Sync writes all of it to one file, in one atomic step.
func startGo(folder string, log *slog.Logger) (*Redis, error) {
	server := miniredis.NewMiniRedis()
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	path := filepath.Join(folder, "state")
	saved, err := readState(path)
	if err == nil {
		err = restore(server, saved)
	}
	if err != nil {
		server.Close()
		return nil, fmt.Errorf("%s: %w; move it away to begin with an empty store", path, err)
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	keeper := newKeeper(client, path, log)
	stop := func() {
		keeper.close()
		_ = client.Close()
		server.Close()
	}
	return &Redis{Kind: "embedded, state in " + path, Client: client, Sync: keeper.sync, stop: stop}, nil
}

// keeper writes the state when somebody waits for it; one write serves all who
// wait. It goes on writing at intervals, for what nobody waits for.
type keeper struct {
	client *redis.Client
	path   string
	log    *slog.Logger
	ask    chan chan error
	stop   chan struct{}
	done   chan struct{}
}

// saveEvery is how old the file may be of what nobody waits for (counters,
// leases).
const saveEvery = 10 * time.Second

// pause is how long requests for a write gather: a write takes everything.
const pause = 20 * time.Millisecond

func newKeeper(client *redis.Client, path string, log *slog.Logger) *keeper {
	k := &keeper{client: client, path: path, log: log, ask: make(chan chan error), stop: make(chan struct{}), done: make(chan struct{})}
	go k.run()
	return k
}

func (k *keeper) sync(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case k.ask <- answer:
	case <-ctx.Done():
		return ctx.Err()
	case <-k.done:
		return errors.New("the embedded Redis is closed")
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k *keeper) close() {
	close(k.stop)
	<-k.done
}

func (k *keeper) run() {
	defer close(k.done)
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		var waiting []chan error
		select {
		case <-k.stop:
			if err := k.save(); err != nil {
				k.log.Error("state not saved", slog.Any("error", err))
			}
			return
		case <-ticker.C:
		case first := <-k.ask:
			waiting = k.gather(first)
		}
		err := k.save()
		ticker.Reset(saveEvery)
		if err != nil && waiting == nil {
			k.log.Error("state not saved", slog.Any("error", err))
		}
		for _, answer := range waiting {
			answer <- err
		}
	}
}

// gather takes the requests that come in a moment.
func (k *keeper) gather(first chan error) []chan error {
	waiting := []chan error{first}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case another := <-k.ask:
			waiting = append(waiting, another)
		case <-timer.C:
			return waiting
		}
	}
}

func (k *keeper) save() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	state, err := dump(ctx, k.client)
	if err != nil {
		return err
	}
	return writeState(k.path, state)
}

// writeState replaces the file: afterwards it is the old one or the new one,
// whole, whatever happens meanwhile.
func writeState(path string, state []entry) error {
	encoded, err := encode(state)
	if err != nil {
		return err
	}
	next := path + ".next"
	file, err := os.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(encoded)
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func readState(path string) ([]entry, error) {
	encoded, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decode(encoded)
}
