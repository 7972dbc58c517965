package admincli

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// account is what an upstream told of the account behind a token.
type account struct {
	Email              string `json:"email"`
	Name               string `json:"name"`
	Membership         string `json:"membership"`
	SubscriptionStatus string `json:"subscription_status"`
	TrialDaysLeft      *int   `json:"trial_days_left"`
	Quotas             []struct {
		Name        string  `json:"name"`
		Requests    uint64  `json:"requests"`
		MaxRequests *uint64 `json:"max_requests"`
		Tokens      uint64  `json:"tokens"`
		MaxTokens   *uint64 `json:"max_tokens"`
	} `json:"quotas"`
	QuotaResetsAt *time.Time `json:"quota_resets_at"`
	AsOf          *time.Time `json:"as_of"`
	Error         *string    `json:"error"`
}

func (s *session) tokenAccount() *cobra.Command {
	c := &cobra.Command{
		Use: "account TOKEN", Short: "Show the plan and the quota of the account behind a token", Args: exactly(1), ValidArgsFunction: s.completeTokens,
		Example: s.examples("tokens account work", "tokens account work --refresh"),
	}
	refresh := c.Flags().Bool("refresh", false, "ask the upstream now")
	return s.runs(c, func(ctx context.Context, args []string) error {
		id, err := s.tokenID(ctx, args[0])
		if err != nil {
			return err
		}
		asked := ""
		if *refresh {
			asked = "true"
		}
		answer, err := s.api.get(ctx, path("tokens", id, "account"), values("refresh", asked))
		return showAs(s, answer, err, "", s.accountFields)
	})
}

func (s *session) accountFields(a account) error {
	pairs := []string{"email", a.Email, "name", a.Name, "plan", a.Membership, "subscription", a.SubscriptionStatus}
	if a.TrialDaysLeft != nil {
		pairs = append(pairs, "trial", strconv.Itoa(*a.TrialDaysLeft)+" days left")
	}
	for _, q := range a.Quotas {
		pairs = append(pairs, q.Name, strings.Join([]string{used(q.Requests, q.MaxRequests, "requests"), used(q.Tokens, q.MaxTokens, "tokens")}, ", "))
	}
	return s.fields(append(pairs, "resets", s.age(a.QuotaResetsAt), "asked", s.age(a.AsOf), "error", text(a.Error))...)
}

// used tells a count, and of how many where there is a limit.
func used(n uint64, limit *uint64, unit string) string {
	if limit == nil {
		return count(n) + " " + unit
	}
	return count(n) + " of " + count(*limit) + " " + unit
}

type transition struct {
	At        *time.Time `json:"at"`
	Kind      string     `json:"kind"`
	Class     *string    `json:"class"`
	Model     *string    `json:"model"`
	Until     *time.Time `json:"until"`
	RequestID *string    `json:"request_id"`
	Detail    *string    `json:"detail"`
	By        *string    `json:"by"`
}

func (s *session) tokenHistory() *cobra.Command {
	c := &cobra.Command{
		Use: "history TOKEN", Short: "Show what happened to a token, with the evidence", Args: exactly(1), ValidArgsFunction: s.completeTokens,
		Example: s.examples("tokens history work"),
	}
	return s.runs(c, func(ctx context.Context, args []string) error {
		id, err := s.tokenID(ctx, args[0])
		if err != nil {
			return err
		}
		answer, err := s.api.get(ctx, path("tokens", id, "transitions"), nil)
		return showAs(s, answer, err, "transitions", func(history struct {
			Transitions []transition `json:"transitions"`
		},
		) error {
			rows := s.table("AT", "WHAT", "CLASS", "MODEL", "UNTIL", "REQUEST", "BY", "DETAIL")
			for _, t := range history.Transitions {
				rows.row(s.age(t.At), t.Kind, text(t.Class), text(t.Model), s.age(t.Until), text(t.RequestID), text(t.By), text(t.Detail))
			}
			return rows.flush()
		})
	})
}

func (s *session) undoTransitions() *cobra.Command {
	c := &cobra.Command{
		Use: "undo", Short: "Take back what failures of one class did to tokens in some time",
		Long: `Takes tokens back that cool or are parked for failures of one class, since --from: when an
upstream, a proxy or a network was at fault and not they.`,
		Example: s.examples("tokens undo --class auth --from 2h", "tokens undo --class rate_limit --from 2026-01-31T10:00:00Z --to 2026-01-31T11:00:00Z --upstream cursor",
			"tokens undo --class quota --from 1d --token work", "tokens undo --class auth --from 2h --dry-run"),
	}
	class := c.Flags().String("class", "", "the `CLASS` of the failures, such as auth")
	upstream, token := c.Flags().String("upstream", "", "only tokens of the upstream `NAME`"), c.Flags().String("token", "", "only of the `TOKEN` with this id or alias")
	dry := c.Flags().Bool("dry-run", false, "only say which tokens would come back")
	from, to := s.moment(c, "from", "not before `TIME`"), s.moment(c, "to", "not after `TIME`")
	return s.runs(c, func(ctx context.Context, _ []string) error {
		if *class == "" || from.text() == "" {
			return misuse("a class and a time are missing: --class CLASS --from TIME")
		}
		body := map[string]any{"class": *class, "from": from.text()}
		if to.text() != "" {
			body["to"] = to.text()
		}
		if *upstream != "" {
			body["upstream"] = *upstream
		}
		if *token != "" {
			id, err := s.tokenID(ctx, *token)
			if err != nil {
				return err
			}
			body["token_id"] = id
		}
		if *dry {
			body["dry_run"] = true
			answer, err := s.api.send(ctx, http.MethodPost, "transitions/undo", body)
			return showAs(s, answer, err, "tokens", s.printUndoPreview)
		}
		answer, err := s.api.send(ctx, http.MethodPost, "transitions/undo", body)
		return showAs(s, answer, err, "", func(undone struct {
			Count uint64 `json:"count"`
		},
		) error {
			s.say("%d transitions are undone", undone.Count)
			return nil
		})
	})
}

// undoPreview is what would be undone, and of which tokens; the first of them.
type undoPreview struct {
	Count      int `json:"count"`
	TokenCount int `json:"token_count"`
	Tokens     []struct {
		TokenID     string     `json:"token_id"`
		Name        string     `json:"name"`
		Upstream    string     `json:"upstream"`
		Since       *time.Time `json:"since"`
		Whole       bool       `json:"whole"`
		Models      int        `json:"models"`
		Transitions int        `json:"transitions"`
	} `json:"tokens"`
}

func (s *session) printUndoPreview(preview undoPreview) error {
	rows := s.table("ID", "NAME", "UPSTREAM", "SINCE", "COMES BACK")
	for _, t := range preview.Tokens {
		back := fmt.Sprintf("for %d models", t.Models)
		if t.Whole {
			back = "as a whole"
		}
		rows.row(t.TokenID, t.Name, t.Upstream, s.age(t.Since), back)
	}
	if err := rows.flush(); err != nil {
		return err
	}
	s.say("%d transitions of %d tokens would be undone; nothing has changed", preview.Count, preview.TokenCount)
	return nil
}
