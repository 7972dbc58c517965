// Package admincli is the command line of the admin API: tokens, logins, upstreams, routes,
// settings and the request log, as tables for people and as JSON for scripts. It
// knows the API from outside only, as any script does.
package admincli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"carousel.internal/proto/service/secret"
)

// Environment is what the commands work with. Its zero fields are the process's
// own.
type Environment struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	// Now is the time that ages are told by.
	Now func() time.Time
	// LoginPause is how long to wait between two looks at a login.
	LoginPause time.Duration
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// command is one verb of one noun. Its run gets the arguments that are no flags.
type command struct {
	name string
	// args and help are for the usage: what it takes, and what it does.
	args, help string
	// min and max bound the number of arguments; a max of -1 is no bound.
	min, max int
	// prepare defines the command's own flags and answers what runs it.
	prepare func(flags *flag.FlagSet) run
}

type run func(ctx context.Context, s *session, args []string) error

// session is one invocation.
type session struct {
	Environment
	api *client
	// json: print what the API answers instead of a table.
	json bool
}

// Run carries out one command and answers the exit code: 0, 1 for a failure, 2
// for a wrong command line. Errors go to stderr in one line each.
func Run(ctx context.Context, args []string, env Environment) int {
	env = env.completed()
	chosen, rest := find(args)
	if chosen == nil {
		usage(env.Stderr, args)
		return exitUsage
	}
	s := &session{Environment: env}
	flags := flag.NewFlagSet(chosen.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	address := flags.String("url", address(env.Getenv), "")
	keyFile := flags.String("key-file", env.Getenv("CAROUSEL_KEY_FILE"), "")
	flags.BoolVar(&s.json, "json", false, "")
	work := chosen.prepare(flags)
	words, err := parse(flags, rest)
	if err == nil && (len(words) < chosen.min || chosen.max >= 0 && len(words) > chosen.max) {
		err = errors.New("wrong number of arguments")
	}
	if err != nil {
		_, _ = fmt.Fprintf(env.Stderr, "%v\nusage: gateway admin %s %s\n", err, chosen.name, chosen.args)
		return exitUsage
	}
	key, err := readKey(env.Getenv, *keyFile)
	if err == nil {
		s.api, err = newClient(*address, key)
	}
	if err == nil {
		err = work(ctx, s, words)
	}
	if err != nil {
		_, _ = fmt.Fprintln(env.Stderr, printable(err.Error()))
		return exitFailed
	}
	return exitDone
}

func (e Environment) completed() Environment {
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
	if e.Now == nil {
		e.Now = time.Now
	}
	if e.LoginPause == 0 {
		e.LoginPause = loginPause
	}
	return e
}

// find answers the command that the first one or two words name, and the rest.
func find(args []string) (*command, []string) {
	for words := min(2, len(args)); words > 0; words-- {
		name := strings.Join(args[:words], " ")
		for i := range commands {
			if commands[i].name == name {
				return &commands[i], args[words:]
			}
		}
	}
	return nil, nil
}

// parse takes flags wherever they stand, and answers the other words. What
// follows `--` is no flag.
func parse(flags *flag.FlagSet, args []string) ([]string, error) {
	var words []string
	for {
		before := len(args)
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		consumed := args[:before-flags.NArg()]
		args = flags.Args()
		if ended := len(consumed) > 0 && consumed[len(consumed)-1] == "--"; ended || len(args) == 0 {
			return append(words, args...), nil
		}
		words, args = append(words, args[0]), args[1:]
	}
}

// address is where the gateway is, unless --url says so.
func address(getenv func(string) string) string {
	if url := getenv("CAROUSEL_URL"); url != "" {
		return url
	}
	port := getenv("PORT")
	if port == "" {
		port = "3000"
	}
	return "http://127.0.0.1:" + port
}

var errNoKey = errors.New("no key: set CAROUSEL_KEY to the admin token, or name a file that holds it with --key-file or CAROUSEL_KEY_FILE")

// readKey never takes the key from the command line, where every process of the
// machine could read it.
func readKey(getenv func(string) string, file string) (secret.Value, error) {
	if file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			return secret.Value{}, fmt.Errorf("the key's file: %w", err)
		}
		return keyOf(string(content))
	}
	for _, name := range []string{"CAROUSEL_KEY", "AUTH_TOKEN"} { // a container of the gateway has the latter
		if value := getenv(name); value != "" {
			return keyOf(value)
		}
	}
	return secret.Value{}, errNoKey
}

func keyOf(text string) (secret.Value, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return secret.Value{}, errNoKey
	}
	return secret.New(text), nil
}

const usageHead = `usage: gateway admin COMMAND [--json] [--url URL] [--key-file FILE]

`

const usageTail = `
A token is named by its id or its alias. URL defaults to $CAROUSEL_URL, else to port $PORT (3000) of this machine; the key is $CAROUSEL_KEY, the
content of FILE (or $CAROUSEL_KEY_FILE), or $AUTH_TOKEN. A proxy's password is $CAROUSEL_PROXY_PASSWORD. --json prints what the admin API answers.
`

func usage(to io.Writer, args []string) {
	if len(args) > 0 && args[0] != "help" {
		_, _ = fmt.Fprintf(to, "there is no command %q\n\n", printable(strings.Join(args[:min(2, len(args))], " ")))
	}
	_, _ = io.WriteString(to, usageHead)
	for _, each := range commands {
		_, _ = fmt.Fprintf(to, "  %s\n        %s\n", strings.TrimSpace(each.name+" "+each.args), each.help)
	}
	_, _ = io.WriteString(to, usageTail)
}
