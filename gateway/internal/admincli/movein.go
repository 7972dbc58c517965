package admincli

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"carousel.internal/gateway/internal/foreign"
)

func (s *session) moveIn() *cobra.Command {
	c := &cobra.Command{
		Use: "move-in FILE…", Short: "Take over what another gateway keeps: its configuration, export or database", Args: oneOrMore(), ValidArgsFunction: anyFile,
		Long: `Takes over what other gateways keep, and tells of each thing whether it is taken, changed, here
already, or left, and why. It reads configuration and logins of CLIProxyAPI, configuration of
LiteLLM, databases of gpt-load, One API and New API (SQLite), and exports of sub2api and cursor-api.
What is here stays as it is, so that a file can be moved in twice. FILE may be - for standard input.`,
		Example: s.examples("move-in config.yaml --dry-run", "move-in one-api.db", "move-in config.yaml auths/claude.json auths/codex.json"),
	}
	format := oneOf(c, "format", "the files' `FORMAT`, which their content tells otherwise", foreign.Names()...)
	dryRun := c.Flags().Bool("dry-run", false, "only tell what would become of each thing")
	return s.runs(c, func(ctx context.Context, args []string) error {
		form, contentType, err := s.formOf(args)
		if err != nil {
			return err
		}
		query := values("format", *format)
		if *dryRun {
			query.Set("dry_run", "true")
		}
		answer, _, err := s.api.callWithin(ctx, callTimeout, http.MethodPost, "move-in", query, http.Header{"Content-Type": {contentType}}, form)
		if err != nil {
			return err
		}
		return s.tellMove(answer)
	})
}

// formOf is a form with files.
func (s *session) formOf(files []string) (form []byte, contentType string, err error) {
	var body bytes.Buffer
	out := multipart.NewWriter(&body)
	for _, name := range files {
		content, err := s.readFile(name)
		if err != nil {
			return nil, "", err
		}
		part, err := out.CreateFormFile("file", filepath.Base(name))
		if err == nil {
			_, err = part.Write([]byte(content))
		}
		if err != nil {
			return nil, "", err
		}
		if body.Len() > foreign.MaxFile {
			return nil, "", fmt.Errorf("the files have more than %d MiB together", foreign.MaxFile>>20)
		}
	}
	err = out.Close() // writes the form's end
	return body.Bytes(), out.FormDataContentType(), err
}

// moved is what became of some files, or would.
type moved struct {
	Applied bool                            `json:"applied"`
	Files   []struct{ Name, Format string } `json:"files"`
	Counts  struct{ Taken, Changed, Same, Left int }
	Items   []struct{ File, At, Kind, Name, To, Token, Outcome, Reason string }
}

// tellMove prints it. What is left is no failure: the reasons say what it would take.
func (s *session) tellMove(answer []byte) error {
	report, err := read[moved](answer, nil)
	if err != nil {
		return err
	}
	return s.show(answer, "items", func() error {
		table := s.table("OUTCOME", "KIND", "NAME", "TO", "WHERE", "REASON")
		for _, each := range report.Items {
			where := each.At
			if len(report.Files) > 1 || where == "" {
				where = strings.TrimSpace(each.File + " " + where)
			}
			name := each.Name
			if each.Token != "" {
				name = strings.TrimSpace(name + " " + each.Token)
			}
			table.row(each.Outcome, each.Kind, name, each.To, where, each.Reason)
		}
		if err := table.flush(); err != nil {
			return err
		}
		counts := report.Counts
		s.say("%d taken, %d changed, %d here already, %d left", counts.Taken, counts.Changed, counts.Same, counts.Left)
		if !report.Applied {
			s.say("nothing is changed yet: without --dry-run it is")
		}
		return nil
	})
}

func (s *session) moveOut() *cobra.Command {
	c := &cobra.Command{
		Use: "move-out", Short: "Print the pool in the form of another gateway, secrets included",
		Long: `Prints the tokens that are enabled, their upstreams and the routes in the form of another gateway,
secrets included. Logins of Cursor have no place there, and are left.`,
		Example: s.examples("move-out --format litellm > config.yaml", "move-out --format sub2api > sub2api.json"),
	}
	format := oneOf(c, "format", "the `FORMAT`", foreign.Written()...)
	return s.runs(c, func(ctx context.Context, _ []string) error {
		if *format == "" {
			return misuse("--format: one of %s wanted", strings.Join(foreign.Written(), ", "))
		}
		answer, told, err := s.api.callWithin(ctx, callTimeout, http.MethodGet, "move-out", values("format", *format), nil, nil)
		if err != nil {
			return err
		}
		if _, err := s.Stdout.Write(answer); err != nil {
			return err
		}
		if left := told.Get("X-Carousel-Left-Tokens"); left != "" && left != "0" {
			_, err = fmt.Fprintf(s.Stderr, "tokens that are not in it, because it has no place for them: %s\n", left)
		}
		return err
	})
}
