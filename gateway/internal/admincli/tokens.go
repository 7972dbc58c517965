package admincli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"carousel.internal/gateway/internal/tokenform"
)

func (s *session) tokens() *cobra.Command {
	return group(
		"tokens", "The tokens of the pool",
		s.listTokens(), s.showToken(), s.addToken(), s.editToken(), s.editTokens(), s.enableTokens(), s.disableTokens(), s.testTokens(), s.refreshTokens(), s.releaseTokens(),
		s.deleteTokens(), s.restoreTokens(), s.importTokens(), s.exportTokens(), s.tokenAccount(), s.tokenHistory(), s.undoTransitions(),
	)
}

type tokenPage struct {
	Tokens []tokenform.Token `json:"tokens"`
	Next   string            `json:"next"`
}

func (s *session) listTokens() *cobra.Command {
	c := &cobra.Command{
		Use: "list", Short: "List the pool",
		Example: s.examples("tokens list", "tokens list --state parked --upstream cursor", "tokens list --sort -failures", "tokens list --tag team-a -o csv"),
	}
	query := s.tokenQuery(c)
	sort := c.Flags().String("sort", "", "by a `FIELD`, with a minus before it the other way round: "+strings.Join(tokenform.SortNames(), ", "))
	return s.runs(c, func(ctx context.Context, _ []string) error {
		chosen := query.values()
		if *sort != "" {
			chosen.Set("sort", *sort)
		}
		tokens, err := s.allTokens(ctx, chosen)
		answer, err := encoded(map[string]any{"tokens": tokens}, err)
		return showAs(s, answer, err, "tokens", func(page tokenPage) error {
			rows := s.table("ID", "ALIAS", "UPSTREAM", "STATE", "TOKEN", "IN FLIGHT", "REQUESTS", "FAILED", "USED", "EXPIRES", "LAST ERROR")
			for _, t := range page.Tokens {
				rows.row(t.ID, t.Alias, t.Upstream, s.state(t), t.Token, inFlight(t), count(t.Requests), count(t.Failures),
					s.age(t.LastUsedAt), s.age(t.ExpiresAt), text(t.LastError))
			}
			return rows.flush()
		})
	})
}

// tokenQuery defines the flags by which tokens are chosen.
func (s *session) tokenQuery(c *cobra.Command) *query {
	return s.query(c).text("upstream", "upstream", "only those of the upstream `NAME`").
		oneOf("state", "state", "only those in a `STATE`", slices.Sorted(slices.Values(tokenform.StateNames()))...).
		text("tag", "tag", "only those with the `TAG`").text("search", "q", "only those with `TEXT` in their names")
}

// encoded is a value as JSON.
func encoded(value any, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// allTokens answers every page, each token as the API wrote it.
func (s *session) allTokens(ctx context.Context, query url.Values) ([]json.RawMessage, error) {
	tokens := []json.RawMessage{}
	query.Set("limit", "1000")
	for {
		page, err := read[struct {
			Tokens []json.RawMessage `json:"tokens"`
			Next   string            `json:"next"`
		}](s.api.get(ctx, "tokens", query))
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, page.Tokens...)
		if page.Next == "" {
			return tokens, nil
		}
		query.Set("cursor", page.Next)
	}
}

func (s *session) state(t tokenform.Token) string {
	if t.NeedsLogin {
		return t.State + ", log in again"
	}
	until := cmp.Or(t.CoolingUntil, t.DisabledUntil)
	if until == nil {
		return t.State
	}
	return t.State + ", " + s.until(until)
}

// until tells how long something goes on: `for 30s`.
func (s *session) until(at *time.Time) string { return strings.Replace(s.age(at), "in ", "for ", 1) }

func inFlight(t tokenform.Token) string {
	if t.Cap == 0 {
		return count(t.InFlight)
	}
	return fmt.Sprintf("%d/%d", t.InFlight, t.Cap)
}

func (s *session) showToken() *cobra.Command {
	c := &cobra.Command{Use: "show TOKEN", Short: "Show one token", Args: exactly(1), ValidArgsFunction: s.completeTokens, Example: s.examples("tokens show work", "tokens show work -o yaml")}
	return s.runs(c, func(ctx context.Context, args []string) error {
		id, err := s.tokenID(ctx, args[0])
		if err != nil {
			return err
		}
		answer, err := s.api.get(ctx, path("tokens", id), nil)
		return s.printToken(answer, err)
	})
}

func (s *session) printToken(answer []byte, err error) error {
	return showAs(s, answer, err, "", func(t tokenform.Token) error {
		return s.fields(
			"id", t.ID, "alias", t.Alias, "upstream", t.Upstream, "tags", strings.Join(t.Tags, ", "), "state", s.state(t),
			"token", t.Token, "fingerprint", t.Fingerprint, "checksum", t.Checksum, "in flight", inFlight(t), "weight", count(t.Weight),
			"requests", count(t.Requests), "failed", count(t.Failures), "last used", s.age(t.LastUsedAt),
			"last error", text(t.LastError), "expires", s.age(t.ExpiresAt), "created", s.age(t.CreatedAt),
			"kind", t.Kind, "refreshed", s.age(t.RefreshedAt), "next refresh", s.age(t.NextRefreshAt), "refresh error", text(t.RefreshError), "proxy", t.Proxy)
	})
}

// tokenID answers the id of the token that is named by its id or its alias.
func (s *session) tokenID(ctx context.Context, name string) (string, error) {
	_, err := s.api.get(ctx, path("tokens", name), nil)
	if !notFound(err) {
		return name, err
	}
	page, err := read[tokenPage](s.api.get(ctx, "tokens", values("q", name, "limit", "1000")))
	if err != nil {
		return "", err
	}
	var found []string
	for _, t := range page.Tokens {
		if t.Alias == name {
			found = append(found, t.ID)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("no token has the id or the alias %q", name)
	default:
		return "", fmt.Errorf("the alias %q is that of several tokens: %s; name one by its id", name, strings.Join(found, ", "))
	}
}
