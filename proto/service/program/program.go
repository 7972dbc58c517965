// Package program is a service's command line: its flags, its commands, its exit
// codes.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"

	"carousel.internal/proto/service/conf"
	"carousel.internal/proto/service/memlimit"
	"carousel.internal/proto/service/ops"
)

// Exit codes.
const (
	// Done is for what went well.
	Done = 0
	// Failed is for an unusable configuration or a failure.
	Failed = 1
	// Misused is for a wrong command line.
	Misused = 2
)

// Command does one thing with the configuration.
type Command[Config any] func(ctx context.Context, cfg Config, stdout io.Writer) error

// Program is a service as a program. Beside its own commands it has version,
// config and healthcheck.
type Program[Config any] struct {
	Name    string
	Version string
	// Usage is printed when the command line is wrong.
	Usage string
	// Load reads the file, none where empty, and the environment.
	Load func(file string) (Config, error)
	// OpsAddr is where the running service tells whether it is ready.
	OpsAddr func(Config) string
	// Commands are the service's own; `serve` is the one without a name.
	Commands map[string]Command[Config]
}

// Main runs the command that args name, and answers the exit code.
func (p Program[Config]) Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet(p.Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {}
	file := flags.String("config", os.Getenv("CONFIG_FILE"), "")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		_, _ = io.WriteString(stdout, p.Usage)
		return Done
	} else if err != nil {
		_, _ = io.WriteString(stderr, p.Usage)
		return Misused
	}
	name := "serve"
	if flags.NArg() > 0 {
		name = flags.Arg(0)
	}
	command, known := p.command(name)
	switch {
	case known && flags.NArg() == 2 && AsksForHelp(flags.Arg(1)):
		_, _ = io.WriteString(stdout, p.Usage)
		return Done
	case !known || flags.NArg() > 1:
		_, _ = io.WriteString(stderr, p.Usage)
		return Misused
	case command == nil:
		_, _ = fmt.Fprintln(stdout, p.Version)
		return Done
	}
	memlimit.Apply("/")
	cfg, err := p.Load(*file)
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: the configuration can't be used:\n%v\n", p.Name, err)
		return Failed
	}
	if err := command(ctx, cfg, stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
		return Failed
	}
	return Done
}

// AsksForHelp tells whether an argument is the flag for help, as package flag takes it.
func AsksForHelp(arg string) bool {
	return slices.Contains([]string{"-h", "-help", "--h", "--help"}, arg)
}

// command finds a command; that of version is nil, because it needs no
// configuration.
func (p Program[Config]) command(name string) (Command[Config], bool) {
	switch name {
	case "version":
		return nil, true
	case "config":
		return printConfig[Config], true
	case "healthcheck":
		return func(ctx context.Context, cfg Config, _ io.Writer) error { return ops.Probe(ctx, p.OpsAddr(cfg)) }, true
	default:
		command, known := p.Commands[name]
		return command, known
	}
}

func printConfig[Config any](_ context.Context, cfg Config, stdout io.Writer) error {
	for _, setting := range conf.Settings(&cfg) {
		if _, err := fmt.Fprintf(stdout, "%s=%s\n    %s\n", setting.Key, setting.Value, setting.Doc); err != nil {
			return err
		}
	}
	return nil
}
