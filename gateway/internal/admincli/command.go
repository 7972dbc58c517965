package admincli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// root is the whole tree.
func (s *session) root() *cobra.Command {
	root := group(s.Program.Name, "One API in front of a pool of upstream accounts", s.admin())
	root.Long = strings.TrimSpace("One API in front of a pool of upstream accounts.\n\n" + s.Program.Long)
	for _, each := range s.Program.Services {
		root.AddCommand(s.service(each))
	}
	root.Version = s.Program.Version
	root.SetVersionTemplate("{{.Version}}\n")
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(wrongFlag)
	root.SetUsageTemplate(s.usageTemplate())
	root.SetIn(s.Stdin)
	root.SetOut(s.Stdout)
	root.SetErr(s.Stderr)
	root.InitDefaultCompletionCmd() // it writes to what is set now
	for _, each := range root.Commands() {
		if each.HasSubCommands() {
			needsCommand(each)
		}
	}
	return root
}

// service is a command that takes its arguments, and tells about itself, by itself.
func (s *session) service(of Service) *cobra.Command {
	run := func(c *cobra.Command, args []string) { s.code = of.Run(c.Context(), args) }
	c := &cobra.Command{
		Use: of.Name, Short: of.Short, DisableFlagParsing: true,
		ValidArgsFunction: cobra.FixedCompletions(of.Words, cobra.ShellCompDirectiveDefault),
		Run:               run,
	}
	c.SetHelpFunc(func(c *cobra.Command, _ []string) { run(c, []string{"--help"}) })
	return c
}

func (s *session) admin() *cobra.Command {
	admin := group(
		"admin", "Manage tokens, keys, upstreams, settings and the log of a running gateway",
		s.tokens(), s.login(), s.logins(), s.quotas(), s.keys(), s.upstreams(), s.routes(), s.prices(), s.settings(),
		s.logs(), s.usage(), s.models(), s.explain(), s.stats(), s.fleet(), s.acknowledge(), s.notifications(), s.audit(), s.pages(), s.files(), s.backup(), s.restore(), s.moveIn(), s.moveOut(), s.try(), s.connectClient(), s.context(),
	)
	admin.Long = adminLong
	admin.Example = s.examples("tokens list --state parked", "keys create --name CI --expires 90d", "logs list --from 1h --status failure -o csv")
	admin.AddCommand(s.helpOf(admin))
	flags := admin.PersistentFlags()
	flags.StringVar(&s.contextName, "context", "", "`NAME` of a context: the gateway that it has, and its admin token")
	_ = admin.RegisterFlagCompletionFunc("context", s.completeContexts) // it fails for a flag that is not there
	flags.StringVar(&s.url, "url", "", "`ADDRESS` of the gateway")
	flags.StringVar(&s.keyFile, "key-file", "", "`FILE` that holds the admin token; - is the first line of standard input")
	s.output.define(admin)
	return admin
}

// group is a command that only has others.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short}
	c.AddCommand(commands...)
	needsCommand(c)
	return c
}

// needsCommand makes it wrong use to run a command that only has others.
func needsCommand(c *cobra.Command) {
	c.Args = cobra.ArbitraryArgs
	c.FParseErrWhitelist.UnknownFlags = true // an unknown command's flags are not what is wrong
	c.RunE = func(c *cobra.Command, words []string) error {
		if len(words) == 0 {
			return &usageError{error: fmt.Errorf("%q needs a command: %s", c.CommandPath(), strings.Join(namesOf(c), ", ")), full: true}
		}
		return noCommand(c, words)
	}
}

func namesOf(c *cobra.Command) []string {
	var names []string
	for _, each := range c.Commands() {
		if each.IsAvailableCommand() {
			names = append(names, each.Name())
		}
	}
	return names
}

func noCommand(of *cobra.Command, words []string) error {
	path := strings.TrimPrefix(of.CommandPath()+" "+words[0], of.Root().Name()+" ")
	return misuse("there is no command %q%s", strings.TrimPrefix(path, "admin "), didYouMean(words[0], namesOf(of)))
}

// runs makes a command do work at the gateway.
func (s *session) runs(c *cobra.Command, work func(ctx context.Context, args []string) error) *cobra.Command {
	if c.Args == nil {
		c.Args = exactly(0)
	}
	if c.ValidArgsFunction == nil {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := s.connect(c.Context()); err != nil {
			return err
		}
		return work(c.Context(), args)
	}
	return c
}

func exactly(n int) cobra.PositionalArgs { return between(n, n) }

func oneOrMore() cobra.PositionalArgs { return between(1, -1) }

// between bounds the number of arguments; a most of -1 is no bound.
func between(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		wanted := strconv.Itoa(least)
		switch {
		case most < 0:
			wanted += " or more"
		case most > least:
			wanted += " to " + strconv.Itoa(most)
		}
		return misuse("wrong number of arguments: %s wanted, not %d", wanted, len(args))
	}
}

// usageError is a command line that can't be meant.
type usageError struct {
	error
	// full: the whole usage helps, not only the command's line.
	full bool
}

func (e *usageError) Unwrap() error { return e.error }

func misuse(format string, args ...any) error {
	return &usageError{error: fmt.Errorf(format, args...)}
}

// wanted are the values of flags by the name of their type.
var wanted = map[string]string{"bool": "true or false", "boolfunc": "true or false", "uint": "a whole number", "uint32": "a whole number", "uint64": "a whole number"}

// wrongFlag words what is wrong with a flag.
func wrongFlag(c *cobra.Command, err error) error {
	if unknown, is := errors.AsType[*pflag.NotExistError](err); is {
		return noFlag(c, unknown)
	}
	if bare, is := errors.AsType[*pflag.ValueRequiredError](err); is {
		return misuse("--%s: a value is missing", bare.GetFlag().Name)
	}
	if invalid, is := errors.AsType[*pflag.InvalidValueError](err); is {
		if form, plain := wanted[invalid.GetFlag().Value.Type()]; plain {
			return misuse("--%s: %s wanted, not %q", invalid.GetFlag().Name, form, invalid.GetValue())
		}
		return misuse("--%s: %w", invalid.GetFlag().Name, invalid.Unwrap())
	}
	return &usageError{error: err}
}

func noFlag(c *cobra.Command, unknown *pflag.NotExistError) error {
	dash, name := "--", unknown.GetSpecifiedName()
	if letters := unknown.GetSpecifiedShortnames(); letters != "" {
		dash, name = "-", letters
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return misuse("there is no flag %s%s%s", dash, name, didYouMeanWith("--", name, names))
}
