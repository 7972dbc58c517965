// Package admincli is the command line of the admin API: tokens, client keys, logins, upstreams,
// routes, prices, settings, use and the request log, as tables for people and as JSON, YAML or CSV
// for scripts. It knows the API from outside only, as any script does.
package admincli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// Environment is what the commands work with. Its zero fields are the process's
// own.
type Environment struct {
	Program        Program
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	// Terminal is the person's end; by default the terminal that Stdin and Stdout are.
	Terminal Terminal
	// Now is the time that ages are told by.
	Now func() time.Time
	// ConfigFolder is where a person's programs keep what they are told.
	ConfigFolder func() (string, error)
	// LoginPause is how long to wait between two looks at a login.
	LoginPause time.Duration
}

// Exit codes.
const (
	// exitFailed is for what failed, also in part: an import that rejects lines.
	exitFailed = 1
	exitUsage  = 2
)

// session is one invocation.
type session struct {
	Environment
	api *client
	target
	output
	// code is what a service has ended with.
	code int
}

// Takes tells whether a command line of the gateway is one of this package's: `admin …`, help,
// or what completes it in a shell.
func Takes(args []string) bool {
	return len(args) > 0 && slices.Contains([]string{"admin", "completion", "help", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}, args[0])
}

// Run carries out one command, such as `admin tokens list`, and answers the exit code: 0, 1 for a
// failure, 2 for a wrong command line. Errors go to stderr. Services run without the tree of
// commands.
func Run(ctx context.Context, args []string, env Environment) int {
	if len(args) > 0 {
		if service, found := env.Program.service(args[0]); found {
			return service.Run(ctx, args[1:])
		}
	}
	s := &session{Environment: env.completed()}
	root := s.root()
	root.SetArgs(args)
	chosen, err := root.ExecuteContextC(ctx)
	if err == nil {
		return s.code
	}
	return tell(s.Stderr, chosen, err)
}

// tell says what went wrong with a command, and answers the exit code.
func tell(to io.Writer, of *cobra.Command, err error) int {
	_, _ = fmt.Fprintln(to, printable(err.Error()))
	wrong, misused := errors.AsType[*usageError](err)
	switch {
	case !misused:
		return exitFailed
	case wrong.full:
		_, _ = fmt.Fprintf(to, "\n%s", of.UsageString())
	default:
		_, _ = fmt.Fprintf(to, "usage: %s\n(`%s --help` tells more)\n", lineOf(of), of.CommandPath())
	}
	return exitUsage
}

// lineOf is how a command is written.
func lineOf(c *cobra.Command) string {
	if c.HasSubCommands() {
		return c.CommandPath() + " COMMAND"
	}
	return c.UseLine()
}

func (e Environment) completed() Environment {
	if e.Program.Name == "" {
		e.Program.Name = released
	}
	if e.ConfigFolder == nil {
		e.ConfigFolder = os.UserConfigDir
	}
	if e.Getenv == nil {
		e.Getenv = os.Getenv
	}
	if e.Stdin == nil {
		e.Stdin = os.Stdin
	}
	if e.Stdout == nil {
		e.Stdout = os.Stdout
	}
	if e.Stderr == nil {
		e.Stderr = os.Stderr
	}
	if e.Terminal == nil {
		e.Terminal = terminalOf(e)
	}
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.LoginPause == 0 {
		e.LoginPause = loginPause
	}
	return e
}
