package admincli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

func (s *session) enableTokens() *cobra.Command {
	c := &cobra.Command{Use: "enable [TOKEN…]", Short: "Let tokens serve", Example: s.examples("tokens enable work spare", "tokens enable --tag team-a")}
	return s.theseTokens(c, "enable", "enabled", s.switchToken(true))
}

func (s *session) disableTokens() *cobra.Command {
	c := &cobra.Command{
		Use: "disable [TOKEN…]", Short: "Keep tokens from serving",
		Example: s.examples("tokens disable work", "tokens disable work --for 1h", "tokens disable --upstream deepseek"),
	}
	length := c.Flags().Duration("for", 0, "they are enabled again by themselves after this `TIME`, such as 90m or 48h")
	// until is when they are enabled; nil: when somebody does it.
	until := func() any {
		if *length == 0 {
			return nil
		}
		return s.Now().Add(*length).UTC().Format(time.RFC3339)
	}
	c = s.theseTokens(c, "disable", "disabled", func(ctx context.Context, id string) ([]byte, error) {
		body := map[string]any{"enabled": false}
		if at := until(); at != nil {
			body["disabled_until"] = at
		}
		return s.api.send(ctx, http.MethodPatch, path("tokens", id), body)
	}, func(body map[string]any) {
		if at := until(); at != nil {
			body["until"] = at
		}
	})
	c.PreRunE = func(*cobra.Command, []string) error {
		if c.Flags().Changed("for") && *length <= 0 {
			return misuse("--for: a time such as 90m or 48h wanted")
		}
		return nil
	}
	return c
}

func (s *session) switchToken(enabled bool) deed {
	return func(ctx context.Context, id string) ([]byte, error) {
		return s.api.send(ctx, http.MethodPatch, path("tokens", id), map[string]bool{"enabled": enabled})
	}
}

func (s *session) deleteTokens() *cobra.Command {
	c := &cobra.Command{Use: "delete [TOKEN…]", Short: "Delete tokens", Example: s.examples("tokens delete work", "tokens delete --state expired")}
	return s.theseTokens(c, "delete", "deleted; `"+s.typed("tokens restore")+"` undoes it for 24 hours", func(ctx context.Context, id string) ([]byte, error) {
		return s.api.send(ctx, http.MethodDelete, path("tokens", id), nil)
	})
}

func (s *session) releaseTokens() *cobra.Command {
	c := &cobra.Command{
		Use: "release [TOKEN…]", Short: "Take tokens back to ready that cool, are probed or parked",
		Example: s.examples("tokens release work", "tokens release --state parked --upstream cursor"),
	}
	return s.theseTokens(c, "release", "released", s.postToken("release"))
}

func (s *session) refreshTokens() *cobra.Command {
	c := &cobra.Command{
		Use: "refresh TOKEN…", Short: "Get another access token for logins and user keys, before it is due", Args: oneOrMore(), ValidArgsFunction: s.completeTokens,
		Example: s.examples("tokens refresh work"),
	}
	return s.runs(c, func(ctx context.Context, names []string) error {
		return s.forEachNamed(ctx, names, s.tokenID, "has another access token", s.postToken("refresh"))
	})
}

func (s *session) restoreTokens() *cobra.Command {
	c := &cobra.Command{Use: "restore ID…", Short: "Undo deletions of tokens, within 24 hours", Args: oneOrMore(), Example: s.examples("tokens restore t43sgzi3xonn4qm2o")}
	return s.runs(c, func(ctx context.Context, ids []string) error {
		return s.forEach(ctx, ids, "restored", s.postToken("restore"))
	})
}

func (s *session) postToken(action string) deed {
	return func(ctx context.Context, id string) ([]byte, error) {
		return s.api.send(ctx, http.MethodPost, path("tokens", id, action), nil)
	}
}

// theseTokens makes a command do one thing to every token that is named, or to all that its flags
// choose, as one change. All that are named are looked up before the first is touched. more adds
// to what the API is told of a change of many.
func (s *session) theseTokens(c *cobra.Command, action, done string, do deed, more ...func(body map[string]any)) *cobra.Command {
	c.Long = c.Short + ": those that are named, or all that\nthe flags choose, as one change"
	if undoable(action) {
		c.Long += ", which `audit undo` undoes"
	}
	c.Long += "."
	c.Args, c.ValidArgsFunction = between(0, -1), s.completeTokens
	query := s.tokenQuery(c)
	return s.runs(c, func(ctx context.Context, names []string) error {
		ids, err := s.chosen(ctx, names, query.values())
		if err != nil {
			return err
		}
		if len(names) > 0 {
			return s.forEach(ctx, ids, done, do)
		}
		return s.inBulk(ctx, action, ids, more...)
	})
}

// chosen are the ids of the tokens that are named, or else of all that flags choose.
func (s *session) chosen(ctx context.Context, names []string, flags url.Values) ([]string, error) {
	switch {
	case len(names) > 0 && len(flags) > 0:
		return nil, misuse("name tokens or choose them by flags, not both")
	case len(names) > 0:
		return found(ctx, names, s.tokenID)
	case len(flags) == 0:
		return nil, misuse("name tokens, or choose them by --upstream, --state, --tag or --search")
	}
	listed, err := s.allTokens(ctx, flags)
	if err != nil {
		return nil, err
	}
	return idsOf(listed)
}

// undoable tells whether a change of many tokens can be undone: what a release ends is over.
func undoable(action string) bool { return action != "release" }

// maxBulk is how many tokens the API changes in one request.
const maxBulk = 5000

// inBulk does something to tokens.
func (s *session) inBulk(ctx context.Context, action string, ids []string, more ...func(body map[string]any)) error {
	if len(ids) == 0 {
		s.say("no token is such")
	}
	for some := range slices.Chunk(ids, maxBulk) {
		body := map[string]any{"action": action, "ids": some}
		for _, add := range more {
			add(body)
		}
		answer, err := s.api.send(ctx, http.MethodPost, "tokens/bulk", body)
		if err != nil {
			return err
		}
		if err := s.tellBulk(action, answer); err != nil {
			return err
		}
	}
	return nil
}

// idsOf are the ids of tokens as the API wrote them.
func idsOf(tokens []json.RawMessage) ([]string, error) {
	ids := make([]string, len(tokens))
	for i, each := range tokens {
		token, err := read[struct {
			ID string `json:"id"`
		}](each, nil)
		if err != nil {
			return nil, err
		}
		ids[i] = token.ID
	}
	return ids, nil
}

// tellBulk prints what a change of many tokens did. It fails where it did not work for all.
func (s *session) tellBulk(action string, answer []byte) error {
	report, err := read[struct {
		Change   string `json:"change"`
		Count    int    `json:"count"`
		Failed   int    `json:"failed"`
		Failures []struct {
			TokenID string `json:"token_id"`
			Reason  string `json:"reason"`
		} `json:"failures"`
	}](answer, nil)
	if err != nil {
		return err
	}
	err = s.show(answer, "", func() error {
		s.say("%s: %d changed, %d failed", action, report.Count, report.Failed)
		for _, each := range report.Failures {
			s.say("%s: %s", each.TokenID, each.Reason)
		}
		if report.Count > 0 && undoable(action) {
			s.say("`%s` undoes it", s.typed("audit undo "+report.Change))
		}
		return nil
	})
	if err == nil && report.Failed > 0 {
		err = fmt.Errorf("%d of %d tokens are as they were", report.Failed, report.Failed+report.Count)
	}
	return err
}
