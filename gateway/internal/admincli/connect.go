package admincli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"carousel.internal/gateway/internal/connect"
)

// connectClient tells what to set in a client. It asks the gateway nothing.
func (s *session) connectClient() *cobra.Command {
	var names []string
	for _, client := range connect.Clients() {
		names = append(names, client.ID)
	}
	c := &cobra.Command{
		Use: "connect CLIENT", Short: "Tell what to set in a client so that it uses the gateway", Args: exactly(1),
		Long:              "Tells what to set in a client so that it uses the gateway of --url. CLIENT is one of\n\n  " + strings.Join(names, "\n  "),
		ValidArgsFunction: cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp),
		Example:           s.examples("connect claude-code --url https://carousel.example --model claude-sonnet-4-5", "connect codex --secret-file key.txt"),
	}
	model := c.Flags().String("model", "", "the `MODEL` that it asks for")
	secretFile := c.Flags().String("secret-file", "", "`FILE` that has the secret of its client key, - for standard input; without it there is a placeholder")
	prefix := c.Flags().String("route-prefix", s.Getenv("ROUTE_PREFIX"), "`PATH` in front of the gateway's /v1 routes")
	c.RunE = func(_ *cobra.Command, args []string) error {
		for _, client := range connect.Clients() {
			if client.ID != args[0] {
				continue
			}
			secret, err := s.clientSecret(*secretFile)
			if err != nil {
				return err
			}
			if err := s.locate(); err != nil {
				return err
			}
			address := strings.TrimSuffix(s.address, "/") + under(*prefix, "")
			return s.printClient(client, connect.Target{URL: address, Key: secret, Model: *model})
		}
		return misuse("one of %s wanted, not %q%s", strings.Join(names, ", "), args[0], didYouMean(args[0], names))
	}
	return c
}

func (s *session) clientSecret(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	if file == "-" {
		content, err := io.ReadAll(io.LimitReader(s.Stdin, maxSecret))
		return string(bytes.TrimSpace(content)), err
	}
	content, err := os.ReadFile(file)
	return string(bytes.TrimSpace(content)), err
}

func (s *session) printClient(client connect.Client, target connect.Target) error {
	for i, part := range client.Parts {
		if i > 0 {
			s.say("")
		}
		place := part.Place
		if place == "" {
			place = "in a shell"
		}
		if _, err := fmt.Fprintf(s.Stdout, "# %s, %s:\n\n", client.Name, place); err != nil {
			return err
		}
		if part.IsText() {
			if _, err := io.WriteString(s.Stdout, part.Text(target)); err != nil {
				return err
			}
			continue
		}
		if err := s.dialog(part.Fields(target)); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) dialog(fields []connect.Field) error {
	var pairs []string
	for _, field := range fields {
		value := ""
		for _, piece := range field.Value {
			value += piece.Text
		}
		pairs = append(pairs, field.Label, value)
	}
	return s.fields(pairs...)
}
