package admincli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

const adminLong = `Manages a running gateway through its admin API.

A token is named by its id or its alias, a client key by its id or its name.

The gateway is that of --url or $CAROUSEL_URL, else the one at port $PORT (3000) of this machine.
The admin token is in $CAROUSEL_KEY, in the file that --key-file or $CAROUSEL_KEY_FILE names, or in
$AUTH_TOKEN; at a terminal it is asked for. It is never an argument, which every process of the
machine could read; nor is the password of a proxy, which is in $CAROUSEL_PROXY_PASSWORD.

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
func helpOf(admin *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Tell about a command", Example: examples("help", "help tokens add"),
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

// examples are the lines of an example, each a command of `gateway admin`.
func examples(lines ...string) string {
	for i, line := range lines {
		lines[i] = "  gateway admin " + line
	}
	return strings.Join(lines, "\n")
}
