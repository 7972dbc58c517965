// Command tokenstore keeps tokens, settings and the request log in Redis, and
// rotates the tokens.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"carousel.internal/tokenstore/app"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := app.Main(ctx, "tokenstore", version, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
