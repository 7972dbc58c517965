package app

import (
	"context"
	"fmt"
	"io"

	"carousel.internal/gateway/internal/admincli"
	"carousel.internal/proto/service/ballast"
	"carousel.internal/proto/service/program"
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
	return program.Program[Config]{
		Name: "gateway", Version: version, Usage: usage,
		Load:    func(file string) (Config, error) { return LoadConfig(file, nil) },
		OpsAddr: func(cfg Config) string { return cfg.OpsAddr },
		Commands: map[string]program.Command[Config]{
			"serve": func(ctx context.Context, cfg Config, stdout io.Writer) error {
				return serveUntil(ctx, cfg, version, stdout)
			},
		},
	}.Main(ctx, args, stdout, stderr)
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
