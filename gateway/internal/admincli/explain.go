package admincli

import (
	"context"
	"flag"
	"strings"
	"time"
)

func explain(flags *flag.FlagSet) run {
	dialect := flags.String("dialect", "", "")
	return func(ctx context.Context, s *session, args []string) error {
		answer, err := s.api.get(ctx, "explain", values("model", args[0], "dialect", *dialect))
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(answer)
		}
		explained, err := read[struct {
			Upstream   string  `json:"upstream"`
			Chosen     *string `json:"chosen"`
			Candidates []struct {
				TokenID    string     `json:"token_id"`
				Alias      string     `json:"alias"`
				ExcludedBy *string    `json:"excluded_by"`
				Until      *time.Time `json:"until"`
			} `json:"candidates"`
		}](answer, nil)
		if err != nil {
			return err
		}
		rows := newTable(s.Stdout, "TOKEN", "ALIAS", "NOW")
		for _, c := range explained.Candidates {
			now := "could be chosen"
			switch {
			case c.TokenID == text(explained.Chosen):
				now = "is chosen next"
			case c.ExcludedBy != nil:
				now = strings.TrimSpace(*c.ExcludedBy + " " + strings.Replace(s.age(c.Until), "in ", "for ", 1))
			}
			rows.row(c.TokenID, c.Alias, now)
		}
		return rows.flush()
	}
}
