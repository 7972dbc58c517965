package admincli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

const adminLong = `Manages a running gateway through its admin API.

A token is named by its id or its alias, a client key by its id or its name.

The gateway is that of --context or --url, else that of $CAROUSEL_URL, else that of the context in
use, else the one at port $PORT (3000) of this machine. A context is a gateway's address and its
admin token under a name: "context add" keeps one.

The admin token is in the file that --key-file names, else it is that of --context, else it is in
$CAROUSEL_KEY_FILE (a file) or $CAROUSEL_KEY, else it is that of the context in use, else it is in
$AUTH_TOKEN; at a terminal it is asked for. A context's token goes to that context's address alone.
A token is never an argument, which every process of the machine could read; nor is the password of
a proxy, which is in $CAROUSEL_PROXY_PASSWORD.

Tables fit the terminal and are coloured there, unless $NO_COLOR is set. JSON and YAML have what the
admin API answers, CSV the rows of it.

Exit codes: 0 done; 1 failed, or done in part only; 2 wrong use.`

// usageTemplate has the help of one command. WIDTH is the terminal's, 0 where there is none.
const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}{{end}}
{{- if .HasAvailableSubCommands}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}
{{- if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped WIDTH | trimTrailingWhitespaces}}{{end}}
{{- if .HasAvailableInheritedFlags}}

Flags of all commands:
{{.InheritedFlags.FlagUsagesWrapped WIDTH | trimTrailingWhitespaces}}{{end}}
{{- if .HasAvailableSubCommands}}

{{.CommandPath}} COMMAND --help tells about a command.{{end}}
`

func (s *session) usageTemplate() string {
	return strings.ReplaceAll(usageTemplate, "WIDTH", strconv.Itoa(s.Terminal.Width()))
}

// helpOf is the command that shows the help of others.
func (s *session) helpOf(admin *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Tell about a command", Example: s.examples("help", "help tokens add"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, words []string) error {
			found, rest, err := admin.Find(words)
			switch {
			case err != nil:
				return err
			case len(rest) > 0:
				return noCommand(found, rest)
			}
			return found.Help()
		},
	}
}

// examples are the lines of an example, each without the words that begin all of them.
func (s *session) examples(lines ...string) string {
	for i, line := range lines {
		lines[i] = "  " + s.typed(line)
	}
	return strings.Join(lines, "\n")
}

// typed is a command of admins as people type it.
func (s *session) typed(command string) string { return s.Program.Name + " admin " + command }
