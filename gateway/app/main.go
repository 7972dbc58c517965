package app

import (
	"context"
	"fmt"
	"io"

	"carousel.internal/gateway/internal/admincli"
	"carousel.internal/proto/service/gctuner"
	"carousel.internal/proto/service/program"
)

const usage = `usage: gateway [--config FILE] [serve|healthcheck|config|version]
       gateway admin COMMAND …
       gateway completion bash|zsh|fish|powershell

  serve        run the gateway (the default)
  admin        manage tokens, upstreams, settings and the log of a running one;
               "gateway admin help" lists the commands
  completion   print a script that completes commands in the shell
  healthcheck  ask the running gateway whether it is ready; exit code 0 or 1
  config       print the effective configuration, secrets redacted
  version      print the version

FILE defaults to $CONFIG_FILE. Every key can also be set in the environment, in
capitals; "gateway config" lists them.
`

// Main runs the program and answers its exit code: 0, 1 for an unusable
// configuration or a failure, 2 for a wrong command line.
func Main(ctx context.Context, version string, args []string, stdout, stderr io.Writer) int {
	if admincli.Takes(args) {
		return admincli.Run(ctx, args, admincli.Environment{Stdout: stdout, Stderr: stderr})
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

// patience is how much garbage may gather under load, in bytes: what some thousand
// requests leave.
const patience = 32 << 20

func serveUntil(ctx context.Context, cfg Config, version string, stdout io.Writer) error {
	defer gctuner.Start(patience)()
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
