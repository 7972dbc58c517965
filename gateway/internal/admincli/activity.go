package admincli

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// tokenEvent is what happened to a token by itself, or was taken back.
type tokenEvent struct {
	At        *time.Time `json:"at"`
	Kind      string     `json:"kind"`
	TokenID   string     `json:"token_id"`
	TokenName *string    `json:"token_name"`
	Upstream  string     `json:"upstream"`
	Class     *string    `json:"class"`
	Model     *string    `json:"model"`
	Until     *time.Time `json:"until"`
	RequestID *string    `json:"request_id"`
	By        *string    `json:"by"`
}

type activityPage struct {
	Activities []struct {
		Entry *auditEntry `json:"entry"`
		Event *tokenEvent `json:"event"`
	} `json:"activities"`
	Next string `json:"next"`
}

func (s *session) listActivity() *cobra.Command {
	c := &cobra.Command{
		Use: "activity", Short: "List what admins did and what happened to tokens by itself, newest first",
		Example: s.examples("audit activity --from 1h", "audit activity --source carousel --account first", `audit activity --kind "tokens deleted"`),
	}
	query := s.query(c).oneOf("source", "source", "only what these did (`WHO`)", "people", "carousel", "both").
		text("actor", "actor", "only what was done by or from `TEXT`").text("kind", "kind", "only an action or a kind of event, such as parked (`KIND`)").
		text("account", "account", "only what was done to the token or key with the `ID`, alias or name").span()
	limit, cursor := c.Flags().Uint("limit", 50, "at most `N`, up to 1000"), c.Flags().String("cursor", "", "go on from the `CURSOR` of the page before")
	return s.runs(c, func(ctx context.Context, _ []string) error {
		parameters := query.values()
		parameters.Set("limit", strconv.FormatUint(uint64(*limit), 10))
		if *cursor != "" {
			parameters.Set("cursor", *cursor)
		}
		answer, err := s.api.get(ctx, "activity", parameters)
		return showAs(s, answer, err, "activities", func(page activityPage) error {
			rows := s.table("AT", "WHAT", "BY", "REQUEST", "UNDO", "DETAILS")
			for _, each := range page.Activities {
				if e := each.Event; e != nil {
					rows.row(s.age(e.At), e.Kind, text(e.By), text(e.RequestID), "", e.details(s))
				} else if e := each.Entry; e != nil {
					rows.row(s.age(e.At), e.Action, e.Actor, text(e.RequestID), e.undo(), detailsOf(*e))
				}
			}
			if err := rows.flush(); err != nil {
				return err
			}
			if page.Next != "" {
				s.say("more: --cursor %s", page.Next)
			}
			return nil
		})
	})
}

// details are such as `first upstream=cursor class=rate_limit until=in 5m`.
func (e *tokenEvent) details(s *session) string {
	name := text(e.TokenName)
	if name == "" {
		name = e.TokenID
	}
	said := []string{name, "upstream=" + e.Upstream}
	for _, each := range []struct{ name, value string }{{"class", text(e.Class)}, {"model", text(e.Model)}, {"until", s.age(e.Until)}} {
		if each.value != "" {
			said = append(said, each.name+"="+each.value)
		}
	}
	return strings.Join(said, " ")
}

func (s *session) showChange() *cobra.Command {
	c := &cobra.Command{
		Use: "show REQUEST", Short: "Show what one request of an admin changed, from what to what", Args: exactly(1),
		Example: s.examples("audit show 4f0c2b7e91d3"),
	}
	return s.runs(c, func(ctx context.Context, args []string) error {
		answer, err := s.api.get(ctx, path("audit", args[0]), nil)
		return showAs(s, answer, err, "changes", func(change struct {
			Changes []struct {
				Kind   string  `json:"kind"`
				Name   string  `json:"name"`
				Deed   string  `json:"deed"`
				Field  string  `json:"field"`
				Before *string `json:"before"`
				After  *string `json:"after"`
			} `json:"changes"`
		},
		) error {
			rows := s.table("WHAT", "NAME", "DEED", "FIELD", "BEFORE", "AFTER")
			for _, each := range change.Changes {
				rows.row(each.Kind, each.Name, each.Deed, each.Field, text(each.Before), text(each.After))
			}
			return rows.flush()
		})
	})
}
