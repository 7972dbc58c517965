package app

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/service/ballast"
	"carousel.internal/proto/service/conf"
	"carousel.internal/proto/service/ops"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/seal"
)

const usage = `usage: tokenstore [--config FILE] [serve|healthcheck|config|reseal|version]

  serve        run the tokenstore (the default)
  healthcheck  ask the running tokenstore whether it is ready; exit code 0 or 1
  config       print the effective configuration, secrets redacted
  reseal       put all stored secrets under the first key of the seal key file
  version      print the version

FILE defaults to $CONFIG_FILE. Every key can also be set in the environment, in
capitals; "tokenstore config" lists them.
`

// Main runs the program and answers its exit code: 0, 1 for an unusable
// configuration or a failure, 2 for a wrong command line.
func Main(ctx context.Context, version string, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("tokenstore", flag.ContinueOnError)
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
	run, known := commands[command]
	if !known || flags.NArg() > 1 {
		flags.Usage()
		return 2
	}
	if command == "version" {
		_, _ = fmt.Fprintln(stdout, version)
		return 0
	}
	cfg, err := LoadConfig(*file, nil)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "tokenstore: the configuration can't be used:\n%v\n", err)
		return 1
	}
	if err := run(ctx, cfg, version, stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "tokenstore: %v\n", err)
		return 1
	}
	return 0
}

var commands = map[string]func(ctx context.Context, cfg Config, version string, stdout io.Writer) error{
	"version":     nil,
	"serve":       runServe,
	"healthcheck": runHealthcheck,
	"config":      runConfig,
	"reseal":      runReseal,
}

// patience is how much garbage may gather in any case: what some thousand leases
// and log entries leave.
const patience = 16 << 20

func runServe(ctx context.Context, cfg Config, version string, stdout io.Writer) error {
	defer ballast.Hold(patience)()
	store, err := New(Options{Config: cfg, Version: version, Output: stdout})
	if err != nil {
		return err
	}
	redis.SetLogger(redisLog{store.log})
	return store.Run(ctx)
}

func runHealthcheck(ctx context.Context, cfg Config, _ string, _ io.Writer) error {
	return ops.Probe(ctx, cfg.OpsAddr)
}

func runConfig(_ context.Context, cfg Config, _ string, stdout io.Writer) error {
	for _, setting := range conf.Settings(&cfg) {
		if _, err := fmt.Fprintf(stdout, "%s=%s\n    %s\n", setting.Key, setting.Value, setting.Doc); err != nil {
			return err
		}
	}
	return nil
}

func runReseal(ctx context.Context, cfg Config, _ string, stdout io.Writer) error {
	keys, err := seal.Load(cfg.SealKeyFile)
	if err != nil {
		return err
	}
	client, err := redisstore.Connect(cfg.RedisURL.Reveal())
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	store := redisstore.New(client, redisstore.Options{Keys: keys, Defaults: cfg.Settings(), Logger: newLogger(stdout, cfg)})
	if err := store.Prepare(ctx); err != nil {
		return err
	}
	changed, err := store.Reseal(ctx)
	_, _ = fmt.Fprintf(stdout, "%d tokens resealed\n", changed)
	return err
}

// redisLog takes what the client library says by itself: news of single
// connections, which the keeper sums up.
type redisLog struct{ log *slog.Logger }

// Printf implements the client library's logger.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.LogAttrs(ctx, slog.LevelDebug, "redis client", slog.String("news", fmt.Sprintf(format, args...)))
}
