package admincli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// modelStanding is how a name can be served now, as far as people are told.
type modelStanding struct {
	Model     string        `json:"model"`
	Route     *string       `json:"route"`
	Upstreams []string      `json:"upstreams"`
	Accounts  int           `json:"accounts"`
	Able      int           `json:"able"`
	Estimated bool          `json:"estimated"`
	Reasons   []modelReason `json:"reasons"`
	Excluded  []struct {
		Upstream string `json:"upstream"`
		Why      string `json:"why"`
	} `json:"excluded"`
	BackAt *time.Time `json:"back_at"`
}

type modelReason struct {
	Reason   string  `json:"reason"`
	Class    *string `json:"class"`
	Accounts int     `json:"accounts"`
}

func (s *session) models() *cobra.Command {
	c := &cobra.Command{
		Use: "models", Short: "Show which names can be served now, by how many accounts, and why not by the others",
		Example: s.examples("models", "models --unserved", "models --search gpt -o json"),
	}
	query := s.query(c).text("search", "q", "only names that have the `TEXT` within")
	unserved := c.Flags().Bool("unserved", false, "only names that nothing can serve now")
	return s.runs(c, func(ctx context.Context, _ []string) error {
		parameters := query.values()
		if *unserved {
			parameters.Set("unserved", "true")
		}
		answer, err := s.api.get(ctx, "models", parameters)
		return showAs(s, answer, err, "models", func(told struct {
			Models   []modelStanding `json:"models"`
			Complete bool            `json:"complete"`
		},
		) error {
			return s.printModels(told.Models, told.Complete)
		})
	})
}

func (s *session) printModels(models []modelStanding, complete bool) error {
	rows := s.table("MODEL", "ABLE", "ACCOUNTS", "BACK", "ROUTE", "UPSTREAMS", "OTHERS")
	for _, m := range models {
		able := fmt.Sprint(m.Able)
		if m.Estimated {
			able = "~" + able
		}
		rows.row(m.Model, able, fmt.Sprint(m.Accounts), s.age(m.BackAt), text(m.Route), strings.Join(m.Upstreams, ","), m.others())
	}
	if err := rows.flush(); err != nil {
		return err
	}
	if !complete {
		s.say("The tokenstore is of an earlier version: accounts that rest for one model alone, or are busy, count as able.")
	}
	return nil
}

// others tells what keeps the accounts out that can't serve: `2 cooling, 1 disabled`.
func (m modelStanding) others() string {
	var parts []string
	for _, each := range m.Reasons {
		name := each.Reason
		if each.Class != nil {
			name = "fail alike: " + *each.Class
		}
		parts = append(parts, fmt.Sprintf("%d %s", each.Accounts, name))
	}
	for _, each := range m.Excluded {
		parts = append(parts, each.Upstream+": "+each.Why)
	}
	return strings.Join(parts, ", ")
}
