//go:build unix

package tokenfile

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

// lockEvery is how often a lock is tried that another process holds.
const lockEvery = 5 * time.Millisecond

// lockFolder keeps other tokenstores away from the folder until the lock is closed,
// or the process ends. A folder that isn't there has nothing to lock.
func lockFolder(ctx context.Context, folder string) (*os.File, error) {
	lock, err := os.Open(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	ticker := time.NewTicker(lockEvery)
	defer ticker.Stop()
	for {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(err, lock.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), lock.Close())
		case <-ticker.C:
		}
	}
}
