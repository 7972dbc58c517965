package admincli

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

func (s *session) importPrices() *cobra.Command {
	c := &cobra.Command{
		Use: "import FILE", Short: "Take a price list; - is standard input", Args: exactly(1), ValidArgsFunction: anyFile,
		Long: `Takes a price list, - for standard input, in place of what was imported from that source before.
Prices that were set by hand stay. The public lists have rows without a price for tokens, which are
skipped; a row of a tsv file that is skipped is rejected, and makes the exit code 1.`,
		Example: s.examples("prices import model_prices_and_context_window.json --format litellm --dry-run", "prices import prices.tsv"),
	}
	format := oneOf(c, "format", "the list's `FORMAT`; tsv where the file's name ends so", "litellm", "models.dev", "tsv")
	dry := c.Flags().Bool("dry-run", false, "only tell what would change")
	return s.runs(c, func(ctx context.Context, args []string) error {
		if *format == "" && filepath.Ext(args[0]) == ".tsv" {
			*format = "tsv"
		}
		if *format == "" {
			return misuse("say what kind of file it is: --format litellm, models.dev or tsv")
		}
		file, err := s.readFile(args[0])
		if err != nil {
			return err
		}
		query := values("format", *format)
		if *dry {
			query.Set("dry_run", "true")
		}
		answer, err := s.api.upload(ctx, "prices/import", query, []byte(file))
		if err != nil {
			return err
		}
		return s.tellPriceImport(answer, *format)
	})
}

type priceImport struct {
	DryRun       bool     `json:"dry_run"`
	Added        int      `json:"added"`
	Changed      int      `json:"changed"`
	Unchanged    int      `json:"unchanged"`
	Removed      int      `json:"removed"`
	Kept         int      `json:"kept"`
	Rounded      []string `json:"rounded"`
	Tiered       []string `json:"tiered"`
	SkippedCount int      `json:"skipped_count"`
	Skipped      []struct {
		Name   string `json:"name"`
		Reason string `json:"reason"`
	} `json:"skipped"`
}

// tellPriceImport prints what an import did. It fails when rows of a file of one's own were
// skipped.
func (s *session) tellPriceImport(answer []byte, format string) error {
	report, err := read[priceImport](answer, nil)
	if err != nil {
		return err
	}
	err = s.show(answer, "skipped", func() error {
		s.sayPriceImport(report)
		return nil
	})
	if err != nil || format != "tsv" || report.SkippedCount == 0 {
		return err
	}
	return &rejectedError{report.SkippedCount, "rows"}
}

func (s *session) sayPriceImport(report priceImport) {
	if report.DryRun {
		s.say("this would be done; nothing has changed:")
	}
	s.say("%d added, %d changed, %d unchanged, %d removed, %d set by hand and kept, %d rows skipped",
		report.Added, report.Changed, report.Unchanged, report.Removed, report.Kept, report.SkippedCount)
	if len(report.Rounded) > 0 {
		s.say("taken up to a millionth of a US dollar for a million tokens: %s", strings.Join(report.Rounded, ", "))
	}
	if len(report.Tiered) > 0 {
		s.say("dearer for long prompts, which is not counted: %s", strings.Join(report.Tiered, ", "))
	}
	for _, row := range report.Skipped {
		s.say("%s: %s", row.Name, row.Reason)
	}
	if more := report.SkippedCount - len(report.Skipped); more > 0 {
		s.say("and %d more", more)
	}
}
