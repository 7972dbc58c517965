// Package allinone is the whole pair in one process: a Redis of its own, the tokenstore, the
// gateway and, while no token is known, a simulated upstream with demo tokens.
package allinone

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"carousel.internal/proto/service/program"
)

// Main runs it until ctx ends, and returns the exit code: 0, 1 for a failure, 2 for a wrong command
// line. People call it by name.
func Main(ctx context.Context, name, version string, args []string, stdout, stderr io.Writer) int {
	switch err := run(ctx, name, version, args, stdout, stderr); {
	case errors.Is(err, flag.ErrHelp):
		return program.Done
	case errors.Is(err, errMisused):
		return program.Misused
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "carousel: %v\n", err)
		return program.Failed
	}
	return program.Done
}
