package admincli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// tokenChange are the flags that an admin can set on a token.
type tokenChange struct {
	flags                 *pflag.FlagSet
	alias, tags, checksum *string
	capacity, weight      *uint
	proxy                 proxyFlags
}

func newTokenChange(flags *pflag.FlagSet) tokenChange {
	return tokenChange{
		flags: flags, alias: flags.String("alias", "", "what you call it (`ALIAS`)"), tags: flags.String("tags", "", "`TAGS` of yours, with commas between; none when it is empty"),
		checksum: flags.String("checksum", "", "the `CHECKSUM` that belongs to it"),
		capacity: flags.Uint("cap", 0, "`N` requests at a time at most; 0: the upstream's"), weight: flags.Uint("weight", 0, "its share is `N` times that of a token of weight 1"),
		proxy: newProxyFlags(flags),
	}
}

// body has what was named on the command line, and nothing else.
func (c tokenChange) body(ctx context.Context, s *session) (map[string]any, error) {
	body := map[string]any{}
	proxy, err := c.proxy.read(ctx, s)
	c.flags.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "alias":
			body["alias"] = *c.alias
		case "tags":
			body["tags"] = list(*c.tags)
		case "checksum":
			body["checksum"] = *c.checksum
		case "cap":
			body["cap"] = *c.capacity
		case "weight":
			body["weight"] = *c.weight
		case "proxy":
			body["proxy"] = proxy
		}
	})
	return body, err
}

// maxSecret bounds what is read of a pasted token, in bytes.
const maxSecret = 64 << 10

func (s *session) addToken() *cobra.Command {
	c := &cobra.Command{
		Use: "add", Short: "Add the token that is read from standard input",
		Long: `Adds the token that is read from standard input, and its refresh token, where it has one, from the
second line. At a terminal both are asked for, and not shown.`,
		Example: s.examples(
			"tokens add --upstream cursor --alias work",
			"tokens add --upstream deepseek --cap 8 --tags team-a,cheap < key.txt",
		),
	}
	change := newTokenChange(c.Flags())
	upstream, disabled := c.Flags().String("upstream", "", "the upstream `NAME` that it is for; cursor by default"), c.Flags().Bool("disabled", false, "it does not serve yet")
	withRefresh := c.Flags().Bool("with-refresh-token", false, "a refresh token follows")
	return s.runs(c, func(ctx context.Context, _ []string) error {
		body, err := change.body(ctx, s)
		if err != nil {
			return err
		}
		access, refresh, err := s.readToken(ctx, *withRefresh)
		if err != nil {
			return err
		}
		if *withRefresh {
			body["refresh_token"] = refresh
		}
		body["token"], body["upstream"], body["enabled"] = access, *upstream, !*disabled
		answer, err := s.api.send(ctx, http.MethodPost, "tokens"+change.proxy.query(), body)
		return s.printToken(answer, err)
	})
}

var errNoRefresh = errors.New("two lines wanted on standard input: the access token and the refresh token")

// readToken reads a token, and where it is wanted a refresh token.
func (s *session) readToken(ctx context.Context, withRefresh bool) (access, refresh string, err error) {
	if s.Terminal.Typed() {
		return s.askForToken(ctx, withRefresh)
	}
	pasted, err := io.ReadAll(io.LimitReader(s.Stdin, maxSecret))
	if err != nil {
		return "", "", fmt.Errorf("the token can't be read from standard input: %w", err)
	}
	access = string(bytes.TrimSpace(pasted))
	if !withRefresh {
		return access, "", nil
	}
	access, refresh, _ = strings.Cut(access, "\n")
	if refresh = strings.TrimSpace(refresh); refresh == "" {
		return "", "", errNoRefresh
	}
	return strings.TrimSpace(access), refresh, nil
}

func (s *session) askForToken(ctx context.Context, withRefresh bool) (access, refresh string, err error) {
	access, err = s.Terminal.ReadHidden(ctx, "Token: ")
	if err == nil && withRefresh {
		refresh, err = s.Terminal.ReadHidden(ctx, "Refresh token: ")
	}
	return strings.TrimSpace(access), strings.TrimSpace(refresh), err
}

func (s *session) editToken() *cobra.Command {
	c := &cobra.Command{
		Use: "edit TOKEN", Short: "Change what is named of a token", Args: exactly(1), ValidArgsFunction: s.completeTokens,
		Example: s.examples("tokens edit work --weight 2 --tags team-a", "tokens edit work --proxy socks5://me@proxy.example:1080", "tokens edit work --proxy="),
	}
	change := newTokenChange(c.Flags())
	return s.runs(c, func(ctx context.Context, args []string) error {
		body, err := change.body(ctx, s)
		if err != nil {
			return err
		}
		id, err := s.tokenID(ctx, args[0])
		if err != nil {
			return err
		}
		answer, err := s.api.send(ctx, http.MethodPatch, path("tokens", id)+change.proxy.query(), body)
		return s.printToken(answer, err)
	})
}
