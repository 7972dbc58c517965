// Command carousel is all of Carousel in one program, which is what a release has: both services,
// the pair of them in one process, and the command line of admins. Containers have the services as
// programs of their own, which are smaller.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"carousel.internal/deploy/local/allinone"
	gateway "carousel.internal/gateway/app"
	"carousel.internal/proto/service/program"
	tokenstore "carousel.internal/tokenstore/app"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run runs one command, and returns the exit code: 0, 1 for a failure, 2 for a wrong command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return gateway.CommandLine(ctx, gateway.Program{
		Name: "carousel", Version: version,
		Long: "On one machine `carousel local` is all that is needed.",
		Services: []gateway.Service{
			{
				Name: "local", Short: "Run all of it in one process, with a Redis of its own",
				Words: []string{"--data", "--config", "--sim", "--new-admin-token"},
				Run: func(ctx context.Context, args []string) int {
					return allinone.Main(ctx, "carousel local", version, args, stdout, stderr)
				},
			},
			{
				Name: "gateway", Short: "Run a gateway, which clients ask", Words: gateway.Words,
				Run: func(ctx context.Context, args []string) int {
					return gateway.Serve(ctx, "carousel gateway", version, args, stdout, stderr)
				},
			},
			{
				Name: "tokenstore", Short: "Run a tokenstore, which gateways ask", Words: tokenstore.Words,
				Run: func(ctx context.Context, args []string) int {
					return tokenstore.Main(ctx, "carousel tokenstore", version, args, stdout, stderr)
				},
			},
			{
				Name: "version", Short: "Print the version",
				Run: func(_ context.Context, args []string) int { return printVersion(args, stdout, stderr) },
			},
		},
	}, args, stdout, stderr)
}

func printVersion(args []string, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 0:
		_, _ = io.WriteString(stdout, version+"\n")
		return program.Done
	case len(args) == 1 && program.AsksForHelp(args[0]):
		_, _ = io.WriteString(stdout, "usage: carousel version\n\nPrints the version.\n")
		return program.Done
	default:
		_, _ = fmt.Fprintf(stderr, "%q: carousel version takes nothing\n", args[0])
		return program.Misused
	}
}
