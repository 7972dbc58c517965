package admincli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// The formats of token files.
var tokenFormats = []string{"token", "token-list", "json"}

func (s *session) importTokens() *cobra.Command {
	c := &cobra.Command{
		Use: "import FILE", Short: "Take the tokens of a file; - is standard input", Args: exactly(1), ValidArgsFunction: anyFile,
		Long: `Takes the tokens of a file, - for standard input, and tells which lines were rejected and why. The
exit code is 1 when any was; the others are taken all the same.`,
		Example: s.examples("tokens import .token-list", "tokens import - --format json --upstream cursor"),
	}
	format := oneOf(c, "format", "the file's `FORMAT`, which its name tells otherwise", tokenFormats...)
	upstream := c.Flags().String("upstream", "", "the upstream `NAME` that they are for; cursor by default")
	dryRun := c.Flags().Bool("dry-run", false, "only tell what would become of the lines")
	return s.runs(c, func(ctx context.Context, args []string) error {
		content, err := s.readFile(args[0])
		if err != nil {
			return err
		}
		if *format == "" {
			*format = formatOf(args[0])
		}
		body := map[string]any{"content": content, "format": *format, "upstream": *upstream}
		if *dryRun {
			body["dry_run"] = true
		}
		answer, err := s.api.send(ctx, http.MethodPost, "tokens/import", body)
		if err != nil {
			return err
		}
		return s.tellImport(answer)
	})
}

// fileLine is a line of a file, and what is wrong with it.
type fileLine struct {
	Line   uint32 `json:"line"`
	Reason string `json:"reason"`
}

type importReport struct {
	Accepted  uint32     `json:"accepted"`
	Updated   uint32     `json:"updated"`
	Rejected  []fileLine `json:"rejected"`
	Warnings  []fileLine `json:"warnings"`
	Upstreams uint32     `json:"upstreams"`
}

// tellImport prints what an import did. It fails when lines were rejected.
func (s *session) tellImport(answer []byte) error {
	report, err := read[importReport](answer, nil)
	if err != nil {
		return err
	}
	err = s.show(answer, "rejected", func() error {
		s.sayImport(report)
		return nil
	})
	if err != nil || len(report.Rejected) == 0 {
		return err
	}
	return &rejectedError{len(report.Rejected), "lines"}
}

// rejectedError is an import that was done in part.
type rejectedError struct {
	count int
	// what was rejected, in the plural
	what string
}

func (e *rejectedError) Error() string {
	if e.count == 1 {
		return fmt.Sprintf("1 of the %s was rejected", e.what)
	}
	return fmt.Sprintf("%d of the %s were rejected", e.count, e.what)
}

func (s *session) sayImport(report importReport) {
	s.say("%d accepted, %d updated, %d rejected", report.Accepted, report.Updated, len(report.Rejected))
	if report.Upstreams > 0 {
		s.say("%d upstreams are new or changed", report.Upstreams)
	}
	for _, line := range report.Rejected {
		s.say("line %d: %s", line.Line, line.Reason)
	}
	for _, line := range report.Warnings {
		s.say("line %d was taken, but %s", line.Line, line.Reason)
	}
}

// formatOf guesses from a file's name; `token` is the format that takes most.
func formatOf(file string) string {
	name := filepath.Base(file)
	switch {
	case filepath.Ext(name) == ".json":
		return "json"
	case strings.Contains(name, "list"):
		return "token-list"
	default:
		return "token"
	}
}

// maxFile bounds a file that is sent, in bytes.
const maxFile = 64 << 20

// readFile reads a file, or standard input for `-`.
func (s *session) readFile(name string) (string, error) {
	input := s.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer func() { _ = file.Close() }()
		input = file
	}
	content, err := io.ReadAll(io.LimitReader(input, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s has more than %d MiB", name, maxFile>>20)
	}
	return string(content), err
}

func (s *session) exportTokens() *cobra.Command {
	c := &cobra.Command{
		Use: "export", Short: "Print the pool as a token file, secrets included",
		Example: s.examples("tokens export > .token-list", "tokens export --format json --upstream cursor"),
	}
	format := "token-list"
	choice{value: &format, of: tokenFormats}.define(c, c.Flags(), "format", "", "the file's `FORMAT`")
	upstream := c.Flags().String("upstream", "", "only those of the upstream `NAME`")
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, told, err := s.api.callWithin(ctx, callTimeout, http.MethodGet, "tokens/export", values("format", format, "upstream", *upstream), nil, nil)
		if err != nil {
			return err
		}
		if _, err = s.Stdout.Write(answer); err != nil {
			return err
		}
		if lacks := told.Get("X-Carousel-Unreadable-Tokens"); lacks != "" {
			return fmt.Errorf("not in the export, because the store can't read them: tokens %s", strings.ReplaceAll(lacks, ",", ", "))
		}
		return nil
	})
}
