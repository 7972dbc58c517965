package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/service/gctuner"
	"carousel.internal/proto/service/program"
	"carousel.internal/tokenstore/internal/redisstore"
	"carousel.internal/tokenstore/internal/seal"
)

const usage = `usage: NAME [--config FILE] [serve|healthcheck|config|reseal|new-admin-token|version]
       NAME certificates [OPTIONS] FOLDER

  serve        run the tokenstore (the default)
  healthcheck  ask the running tokenstore whether it is ready; exit code 0 or 1
  config       print the effective configuration, secrets redacted
  reseal       put everything that is sealed under the first key of the seal key file,
               also beside a running tokenstore that has been restarted with it
  new-admin-token
               make another admin token and print it; the one that was generated
               before is refused within a second, also beside running services
  certificates make or renew certificates for tokenstore and gateways in FOLDER;
               "NAME certificates" lists the options
  version      print the version

FILE defaults to $CONFIG_FILE. Every key can also be set in the environment, in
capitals; "NAME config" lists them.
`

// Words are the commands, as shells show them.
var Words = []string{
	"serve\tRun the tokenstore", "healthcheck\tAsk the running tokenstore whether it is ready",
	"config\tPrint the effective configuration", "reseal\tSeal all that is sealed under the first key",
	"new-admin-token\tMake another admin token", "certificates\tMake or renew certificates", "version\tPrint the version",
}

// Main runs the program, which people call by name, and answers its exit code: 0, 1 for an unusable
// configuration or a failure, 2 for a wrong command line.
func Main(ctx context.Context, name, version string, args []string, stdout, stderr io.Writer) int {
	if takesCertificates(args) {
		return runCertificates(ctx, name, args, stdout, stderr)
	}
	return program.Program[Config]{
		Name: name, Version: version, Usage: strings.ReplaceAll(usage, "NAME", name),
		Load:    func(file string) (Config, error) { return LoadConfig(file, nil) },
		OpsAddr: func(cfg Config) string { return cfg.OpsAddr },
		Commands: map[string]program.Command[Config]{
			"serve": func(ctx context.Context, cfg Config, stdout io.Writer) error {
				return serveUntil(ctx, cfg, version, stdout)
			},
			"reseal":          reseal,
			"new-admin-token": newAdminToken,
		},
	}.Main(ctx, args, stdout, stderr)
}

// patience is how much garbage may gather under load, in bytes: what some thousand leases
// and log entries leave.
const patience = 16 << 20

func serveUntil(ctx context.Context, cfg Config, version string, stdout io.Writer) error {
	defer gctuner.Start(patience)()
	store, err := New(Options{Config: cfg, Version: version, Output: stdout})
	if err != nil {
		return err
	}
	redis.SetLogger(redisLog{store.log})
	return store.Run(ctx)
}

// reseal runs beside a serving store, too.
func reseal(ctx context.Context, cfg Config, stdout io.Writer) error {
	return withStore(ctx, cfg, stdout, func(store *redisstore.Store) error {
		done, err := store.Reseal(ctx)
		_, _ = fmt.Fprintf(stdout, "%d tokens resealed\n%d accounts resealed\n%d deleted tokens resealed\n%d prompts resealed\n"+
			"%d remembered answers resealed\n%d kept responses resealed\n%d upstreams signed\n%d destinations resealed\n",
			done.Tokens, done.Accounts, done.Trash, done.Prompts, done.Answers, done.Responses, done.Upstreams, done.Destinations)
		if done.Unreadable > 0 {
			_, _ = fmt.Fprintf(stdout, "%d values are lost: no key in the file opens them\n", done.Unreadable)
		}
		if err == nil {
			_, _ = fmt.Fprintln(stdout, "the keys below the first are not needed any more")
		}
		return err
	})
}

// newAdminToken replaces the generated admin token, for when it has leaked. It is printed,
// and stored as a hash.
func newAdminToken(ctx context.Context, cfg Config, stdout io.Writer) error {
	return withStore(ctx, cfg, stdout, func(store *redisstore.Store) error {
		made := adminTokenPrefix + rand.Text()
		hash := sha256.Sum256([]byte(made))
		if err := store.ReplaceAdminToken(ctx, hash[:]); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(stdout, "admin token: %s\nIt is shown once. Gateways with an AUTH_TOKEN of their own keep that one.\n", made)
		return nil
	})
}

// adminTokenPrefix is that of the tokens that gateways generate.
const adminTokenPrefix = "sk-carousel-"

// withStore calls do with a store that is fit for use.
func withStore(ctx context.Context, cfg Config, stdout io.Writer, do func(*redisstore.Store) error) error {
	keys, err := seal.Load(cfg.SealKeyFile)
	if err != nil {
		return err
	}
	client, err := redisstore.Connect(cfg.RedisURL.Reveal())
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	options := redisstore.Options{Keys: keys, Defaults: cfg.Settings(), Logger: cfg.Logger(stdout), WaitReplicas: cfg.RedisWaitReplicas}
	if text := cfg.RedisLogURL.Reveal(); text != "" {
		if options.Log, err = redisstore.Connect(text); err != nil {
			return err
		}
		defer func() { _ = options.Log.Close() }()
	}
	store := redisstore.New(client, options)
	defer store.Close()
	if err := store.Prepare(ctx); err != nil {
		return err
	}
	return do(store)
}

// redisLog takes what the client library says by itself: news of single
// connections, which the keeper sums up.
type redisLog struct{ log *slog.Logger }

// Printf implements the client library's logger.
func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.LogAttrs(ctx, slog.LevelDebug, "redis client", slog.String("news", fmt.Sprintf(format, args...)))
}
