package admincli

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// usageRow is what some requests have used, as far as people are told.
type usageRow struct {
	Key              string `json:"key"`
	KeyName          string `json:"key_name"`
	Token            string `json:"token"`
	TokenAlias       string `json:"token_alias"`
	Model            string `json:"model"`
	Upstream         string `json:"upstream"`
	Time             string `json:"time"`
	Requests         uint64 `json:"requests"`
	Failures         uint64 `json:"failures"`
	PromptTokens     uint64 `json:"prompt_tokens"`
	CompletionTokens uint64 `json:"completion_tokens"`
	CostUSD          string `json:"cost_usd"`
	UnpricedRequests uint64 `json:"unpriced_requests"`
}

// usageGroups are what use is told apart by.
var usageGroups = []string{"key", "token", "model", "upstream", "day", "hour"}

func (s *session) usage() *cobra.Command {
	c := &cobra.Command{
		Use: "usage", Short: "Show what requests used and what that cost",
		Long:    "Shows what requests used and what that cost, of the last 30 days or of another time.",
		Example: s.examples("usage", "usage --by key,day --from 7d", "usage --by model --from 2026-01-01 --to 2026-02-01 -o csv"),
	}
	by := "key"
	choice{value: &by, of: usageGroups, many: true}.define(c, c.Flags(), "by", "", "a row for each of these `GROUPS`, with commas between; one for all when it is empty")
	csv := c.Flags().Bool("csv", false, "the same as -o csv")
	query := s.query(c).text("key", "key", "only the client key with the `ID`").text("token", "token", "only the token with the `ID`").
		text("model", "model", "only the model `ID`").text("upstream", "upstream", "only the upstream `NAME`").span()
	return s.runs(c, func(ctx context.Context, _ []string) error {
		parameters := query.values()
		if by != "" {
			parameters.Set("group", by)
		}
		if *csv || s.form == asCSV {
			parameters.Set("format", "csv")
			return s.printFile(ctx, "usage", parameters)
		}
		answer, err := s.api.get(ctx, "usage", parameters)
		return showAs(s, answer, err, "rows", func(used usageAnswer) error { return s.printUsage(used, list(by)) })
	})
}

// printFile prints a file that the API makes.
func (s *session) printFile(ctx context.Context, name string, parameters url.Values) error {
	answer, err := s.api.get(ctx, name, parameters)
	if err != nil {
		return err
	}
	_, err = s.Stdout.Write(answer)
	return err
}

type usageAnswer struct {
	From  time.Time  `json:"from"`
	To    time.Time  `json:"to"`
	Rows  []usageRow `json:"rows"`
	Total usageRow   `json:"total"`
}

func (s *session) printUsage(used usageAnswer, groups []string) error {
	var heads []string
	for _, group := range groups {
		heads = append(heads, strings.ToUpper(group))
	}
	rows := s.table(append(heads, "REQUESTS", "FAILURES", "INPUT", "OUTPUT", "USD", "UNPRICED")...)
	for _, row := range used.Rows {
		var cells []string
		for _, group := range groups {
			cells = append(cells, row.name(group))
		}
		rows.row(append(cells, row.sums()...)...)
	}
	if len(groups) > 0 {
		total := append([]string{"all"}, make([]string, len(groups)-1)...)
		rows.row(append(total, used.Total.sums()...)...)
	}
	if err := rows.flush(); err != nil {
		return err
	}
	s.say("from %s to %s", used.From.Format(time.RFC3339), used.To.Format(time.RFC3339))
	return nil
}

// name is what the row has for a group; keys and tokens go by what they are called, if they are.
func (r usageRow) name(group string) string {
	switch group {
	case "key":
		return called(r.Key, r.KeyName)
	case "token":
		return called(r.Token, r.TokenAlias)
	case "model":
		return r.Model
	case "upstream":
		return r.Upstream
	case "day":
		return strings.TrimSuffix(r.Time, "T00:00:00Z")
	default:
		return r.Time
	}
}

// called is an id with the name that belongs to it: names need not be unique.
func called(id, name string) string {
	if name == "" {
		return id
	}
	return name + " (" + id + ")"
}

func (r usageRow) sums() []string {
	return []string{count(r.Requests), count(r.Failures), count(r.PromptTokens), count(r.CompletionTokens), r.CostUSD, count(r.UnpricedRequests)}
}
