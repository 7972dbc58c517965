//go:build !unix

package embeddedredis

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// lockFolder only makes the lock file: this system has no locks that end with
// their process.
func lockFolder(_ context.Context, folder string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	return file, nil
}
