package admincli

import (
	"cmp"
	"context"
	"time"

	"github.com/spf13/cobra"
)

const (
	// completionTimeout bounds what the shell waits for names.
	completionTimeout = 2 * time.Second
	// completionNames bounds how many names it is offered.
	completionNames = "1000"
)

// anyFile lets the shell complete names of files.
func anyFile(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// completeTokens offers the aliases of tokens, and the ids of those that have none.
func (s *session) completeTokens(c *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	return s.complete(c, func(ctx context.Context) ([]string, error) {
		page, err := read[tokenPage](s.api.get(ctx, "tokens", values("q", begun, "limit", completionNames)))
		var names []string
		for _, t := range page.Tokens {
			names = append(names, described(cmp.Or(t.Alias, t.ID), t.State))
		}
		return names, err
	})
}

// completeKeys offers the ids of client keys, with their names beside them.
func (s *session) completeKeys(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.complete(c, func(ctx context.Context) ([]string, error) {
		page, err := read[keyPage](s.api.get(ctx, "keys", values("limit", completionNames)))
		var ids []string
		for _, k := range page.Keys {
			ids = append(ids, described(k.ID, k.Name))
		}
		return ids, err
	})
}

// complete asks the gateway for names. Without a key there are none: nobody can be asked for it
// while a shell completes a line.
func (s *session) complete(c *cobra.Command, names func(context.Context) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(c.Context(), completionTimeout)
	defer cancel()
	if s.keyFileName() == "-" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	err := s.locate()
	if err == nil {
		err = s.connectBy(ctx, s.givenKey)
	}
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	found, err := names(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// described is a word with what a shell shows beside it.
func described(word, description string) string {
	return printable(word) + "\t" + printable(description)
}
