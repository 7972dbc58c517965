//go:build !unix

package tokenfile

import (
	"context"
	"os"
)

// lockFolder does nothing: this system has no locks that end with their process.
func lockFolder(context.Context, string) (*os.File, error) { return nil, nil }
