package admincli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"
)

func (s *session) pages() *cobra.Command {
	return group("pages", "What is served in place of built-in pages", s.listPages(), s.showPage(), s.setPage(), s.resetPage())
}

// page is what is served in place of a built-in one.
type page struct {
	Path    string `json:"path"`
	Type    string `json:"type"`
	Content string `json:"content"`
}

type pageList struct {
	Pages []page `json:"pages"`
}

func (s *session) listPages() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the pages that differ from the built-in ones", Example: s.examples("pages list")}
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, err := s.api.get(ctx, "pages", nil)
		return showAs(s, answer, err, "pages", func(list pageList) error {
			rows := s.table("PATH", "TYPE", "BYTES")
			for _, p := range list.Pages {
				rows.row(p.Path, p.Type, strconv.Itoa(len(p.Content)))
			}
			return rows.flush()
		})
	})
}

func (s *session) showPage() *cobra.Command {
	c := &cobra.Command{Use: "show PATH", Short: "Print what is served at a path in place of the built-in page", Args: exactly(1), Example: s.examples("pages show /about")}
	return s.runs(c, func(ctx context.Context, args []string) error {
		list, err := read[pageList](s.api.get(ctx, "pages", nil))
		if err != nil {
			return err
		}
		for _, p := range list.Pages {
			if p.Path != args[0] {
				continue
			}
			answer, err := encoded(p, nil)
			if err != nil {
				return err
			}
			return s.show(answer, "", func() error {
				_, err := io.WriteString(s.Stdout, p.Content)
				return err
			})
		}
		return fmt.Errorf("nothing is served at %q but the built-in page; `pages list` has those that differ", args[0])
	})
}

func (s *session) setPage() *cobra.Command {
	c := &cobra.Command{
		Use: "set PATH FILE", Short: "Serve a file at a path in place of the built-in page; - is standard input", Args: exactly(2), ValidArgsFunction: anyFile,
		Example: s.examples("pages set /about about.html --type html"),
	}
	kind := "text"
	choice{value: &kind, of: []string{"text", "html"}}.define(c, c.Flags(), "type", "", "the `TYPE` of what the file has")
	return s.runs(c, func(ctx context.Context, args []string) error {
		content, err := s.readFile(args[1])
		if err != nil {
			return err
		}
		answer, err := s.api.send(ctx, http.MethodPut, "pages", page{Path: args[0], Type: kind, Content: content})
		return showAs(s, answer, err, "", func(stored page) error {
			s.say("%s is served as %s", stored.Path, stored.Type)
			return nil
		})
	})
}

func (s *session) resetPage() *cobra.Command {
	c := &cobra.Command{Use: "reset PATH", Short: "Serve the built-in page again", Args: exactly(1), Example: s.examples("pages reset /about")}
	return s.runs(c, func(ctx context.Context, args []string) error {
		if _, err := s.api.call(ctx, http.MethodDelete, "pages", values("path", args[0]), nil, nil); err != nil {
			return err
		}
		s.say("%s is the built-in page", args[0])
		return nil
	})
}
