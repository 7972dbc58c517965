package admincli

import (
	"context"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func (s *session) files() *cobra.Command {
	return group("files", "The token files that the tokenstore keeps", s.showFiles(), s.writeFiles(), s.reloadFiles())
}

func (s *session) showFiles() *cobra.Command {
	c := &cobra.Command{
		Use: "show", Short: "Print the token file, secrets included",
		Example: s.examples("files show > .token", "files show --list > .token-list"),
	}
	list := c.Flags().Bool("list", false, "the list's file, with checksums")
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, err := s.api.send(ctx, http.MethodPost, "/get-tokeninfo", nil)
		return showAs(s, answer, err, "", func(files struct {
			Tokens    string `json:"tokens"`
			TokenList string `json:"token_list"`
		},
		) error {
			content := files.Tokens
			if *list {
				content = files.TokenList
			}
			_, err := io.WriteString(s.Stdout, content)
			return err
		})
	})
}

func (s *session) writeFiles() *cobra.Command {
	c := &cobra.Command{
		Use: "write TOKENS [LIST]", Short: "Replace the token files; - is standard input", Args: between(1, 2), ValidArgsFunction: anyFile,
		Long: `Replaces the token file, and the list's file where LIST is named, and takes what they have into the
pool. A token that was in what files show printed, and is in neither content, is deleted. Lines that
are rejected are told, and make the exit code 1.`,
		Example: s.examples("files write .token", "files write .token .token-list"),
	}
	return s.runs(c, func(ctx context.Context, args []string) error {
		body := map[string]string{}
		for i, name := range []string{"tokens", "token_list"}[:len(args)] {
			var err error
			if body[name], err = s.readFile(args[i]); err != nil {
				return err
			}
		}
		return s.tellFiles(s.api.send(ctx, http.MethodPost, "/update-tokeninfo", body))
	})
}

func (s *session) reloadFiles() *cobra.Command {
	c := &cobra.Command{Use: "reload", Short: "Take what the token files have into the pool", Example: s.examples("files reload")}
	return s.runs(c, func(ctx context.Context, _ []string) error {
		return s.tellFiles(s.api.get(ctx, "/update-tokeninfo", nil))
	})
}

// tellFiles prints what became of the token files. It fails when lines were rejected.
func (s *session) tellFiles(answer []byte, err error) error {
	done, err := read[struct {
		Report struct {
			Accepted uint64 `json:"accepted"`
			Updated  uint64 `json:"updated"`
			Deleted  uint64 `json:"deleted"`
			Rejected []struct {
				File   string `json:"file"`
				Line   uint64 `json:"line"`
				Reason string `json:"reason"`
			} `json:"rejected"`
		} `json:"report"`
	}](answer, err)
	if err != nil {
		return err
	}
	rejected := done.Report.Rejected
	err = s.show(answer, "", func() error {
		s.say("%d accepted, %d updated, %d deleted, %d rejected", done.Report.Accepted, done.Report.Updated, done.Report.Deleted, len(rejected))
		for _, line := range rejected {
			s.say("%s, line %d: %s", line.File, line.Line, line.Reason)
		}
		return nil
	})
	if err == nil && len(rejected) > 0 {
		err = &rejectedError{len(rejected), "lines"}
	}
	return err
}
