// Command gateway serves OpenAI's and Anthropic's APIs over a pool of upstream tokens.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"carousel.internal/gateway/app"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := app.Main(ctx, version, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
