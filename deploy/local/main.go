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
	"os"
	"os/signal"
	"syscall"

	"carousel.internal/deploy/local/allinone"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := allinone.Main(ctx, "local", version, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
