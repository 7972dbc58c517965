package app

import (
	"context"
	"fmt"
	"io"
	"strings"

	"carousel.internal/gateway/internal/admincli"
	"carousel.internal/proto/service/gctuner"
	"carousel.internal/proto/service/program"
)

const serveUsage = `usage: NAME [--config FILE] [serve|healthcheck|config|version]

  serve        run the gateway (the default)
  healthcheck  ask the running gateway whether it is ready; exit code 0 or 1
  config       print the effective configuration, secrets redacted
  version      print the version

FILE defaults to $CONFIG_FILE. Every key can also be set in the environment, in
capitals; "NAME config" lists them.
`

const adminUsage = `
"NAME admin help" lists commands that manage a running gateway, and
"NAME completion bash|zsh|fish|powershell" prints a script that completes them.
`

// Program is one that has the command line of admins, and commands of its own.
type Program = admincli.Program

// Service is such a command.
type Service = admincli.Service

// Words are the commands of Serve, as shells show them.
var Words = []string{
	"serve\tRun the gateway", "healthcheck\tAsk the running gateway whether it is ready",
	"config\tPrint the effective configuration", "version\tPrint the version",
}

// Main is the program `gateway`: it serves, or is the command line of admins. It answers the exit
// code: 0, 1 for an unusable configuration or a failure, 2 for a wrong command line.
func Main(ctx context.Context, version string, args []string, stdout, stderr io.Writer) int {
	const name = "gateway"
	serve := func(ctx context.Context, args []string) int {
		return run(ctx, name, version, serveUsage+adminUsage, args, stdout, stderr)
	}
	if !admincli.Takes(args) {
		return serve(ctx, args)
	}
	program := Program{Name: name, Version: version, Long: "Without a command it serves."}
	for _, each := range Words {
		word, does, _ := strings.Cut(each, "\t")
		program.Services = append(program.Services, Service{Name: word, Short: does, Run: func(ctx context.Context, args []string) int {
			return serve(ctx, append([]string{word}, args...))
		}})
	}
	return CommandLine(ctx, program, args, stdout, stderr)
}

// Serve is the gateway alone, as a command that people call by name.
func Serve(ctx context.Context, name, version string, args []string, stdout, stderr io.Writer) int {
	return run(ctx, name, version, serveUsage, args, stdout, stderr)
}

// CommandLine runs a command of a program: one of admins, or one of its services.
func CommandLine(ctx context.Context, of Program, args []string, stdout, stderr io.Writer) int {
	return admincli.Run(ctx, args, admincli.Environment{Program: of, Stdout: stdout, Stderr: stderr})
}

func run(ctx context.Context, name, version, usage string, args []string, stdout, stderr io.Writer) int {
	return program.Program[Config]{
		Name: name, Version: version, Usage: strings.ReplaceAll(usage, "NAME", name),
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
