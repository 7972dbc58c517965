// Command local runs the whole pair in one process, for a first try and for one
// machine: a Redis of its own, the tokenstore, the gateway and, while no token is
// known, a simulated upstream with demo tokens.
//
//	go run ./deploy/local [--data DIR] [--config FILE] [--sim] [--new-admin-token]
//
// At a terminal it says a short line for each chat, and for what is wrong. LOG_FORMAT=text or json
// has the services' own lines there, too, LOG_FORMAT=short the short ones anywhere; NO_COLOR takes
// the colours away, LOG_LEVEL=debug says everything.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(2)
	}
	if err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "carousel: %v\n", err)
		os.Exit(1)
	}
}
