package app

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"carousel.internal/gateway/internal/admincli"
	"carousel.internal/proto/service/ballast"
	"carousel.internal/proto/service/conf"
	"carousel.internal/proto/service/ops"
)

const usage = `usage: gateway [--config FILE] [serve|healthcheck|config|version]
       gateway admin COMMAND …

  serve        run the gateway (the default)
  admin        manage tokens, upstreams, settings and the log of a running one;
               "gateway admin help" lists the commands
  healthcheck  ask the running gateway whether it is ready; exit code 0 or 1
  config       print the effective configuration, secrets redacted
  version      print the version

FILE defaults to $CONFIG_FILE. Every key can also be set in the environment, in
capitals; "gateway config" lists them.
`

// Main runs the program and answers its exit code: 0, 1 for an unusable
// configuration or a failure, 2 for a wrong command line.
func Main(ctx context.Context, version string, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "admin" {
		return admincli.Run(ctx, args[1:], admincli.Environment{Stdout: stdout, Stderr: stderr})
	}
	flags := flag.NewFlagSet("gateway", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { _, _ = io.WriteString(stderr, usage) }
	file := flags.String("config", os.Getenv("CONFIG_FILE"), "")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	command := "serve"
	if flags.NArg() > 0 {
		command = flags.Arg(0)
	}
	if flags.NArg() > 1 {
		flags.Usage()
		return 2
	}
	switch command {
	case "version":
		_, _ = fmt.Fprintln(stdout, version)
		return 0
	case "serve", "healthcheck", "config":
	default:
		flags.Usage()
		return 2
	}
	cfg, err := LoadConfig(*file, nil)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "gateway: the configuration can't be used:\n%v\n", err)
		return 1
	}
	switch command {
	case "config":
		for _, setting := range conf.Settings(&cfg) {
			_, _ = fmt.Fprintf(stdout, "%s=%s\n    %s\n", setting.Key, setting.Value, setting.Doc)
		}
	case "healthcheck":
		err = ops.Probe(ctx, cfg.OpsAddr)
	default:
		err = serveUntil(ctx, cfg, version, stdout)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "gateway: %v\n", err)
		return 1
	}
	return 0
}

// patience is how much garbage may gather in any case: what some thousand
// requests leave.
const patience = 32 << 20

func serveUntil(ctx context.Context, cfg Config, version string, stdout io.Writer) error {
	defer ballast.Hold(patience)()
	gateway, err := New(Options{
		Config: cfg, Version: version, Output: stdout,
		AdminToken: func(token string) {
			_, _ = fmt.Fprintf(stdout, "\nadmin token: %s\n(generated now and shown only this once; only its hash is kept)\n\n", token)
		},
	})
	if err != nil {
		return err
	}
	return gateway.Run(ctx)
}
