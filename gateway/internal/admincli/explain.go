package admincli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// explained is how a name is served.
type explained struct {
	Route *struct {
		Name       string                     `json:"name"`
		Match      string                     `json:"match"`
		Parameters map[string]json.RawMessage `json:"parameters"`
	} `json:"route"`
	Targets   []explainedTarget `json:"targets"`
	Fallbacks []string          `json:"fallbacks"`
}

type explainedTarget struct {
	routeTarget
	Order      int        `json:"order"`
	Share      float64    `json:"share"`
	Excluded   *string    `json:"excluded"`
	Chosen     *string    `json:"chosen"`
	Cause      *string    `json:"cause"`
	CauseUntil *time.Time `json:"cause_until"`
	Candidates []struct {
		TokenID    string     `json:"token_id"`
		Alias      string     `json:"alias"`
		ExcludedBy *string    `json:"excluded_by"`
		Until      *time.Time `json:"until"`
	} `json:"candidates"`
}

func (s *session) explain() *cobra.Command {
	c := &cobra.Command{
		Use: "explain MODEL", Short: "Tell who would serve a model's name now, and why not the others", Args: exactly(1),
		Long: `Tells who would serve a request that names MODEL: the route, its targets in order, and which token
of each would be chosen now, or what excludes it.`,
		Example: s.examples("explain gpt-4o", "explain fast --dialect responses", "explain claude-sonnet-4-5 --key abcdefghijklmnop"),
	}
	query := s.query(c).text("dialect", "dialect", "the `API` that the client speaks: openai, anthropic or responses").
		text("key", "key", "the `ID` of the client key that it has")
	return s.runs(c, func(ctx context.Context, args []string) error {
		parameters := query.values()
		parameters.Set("model", args[0])
		answer, err := s.api.get(ctx, "explain", parameters)
		return showAs(s, answer, err, "targets.candidates", func(told explained) error { return s.printExplained(args[0], told) })
	})
}

func (s *session) printExplained(name string, told explained) error {
	s.say("%s", routeInWords(name, told))
	for _, target := range told.Targets {
		s.say("\n%d. %s", target.Order, s.targetInWords(target))
		if err := s.printCandidates(target); err != nil {
			return err
		}
	}
	if len(told.Fallbacks) > 0 {
		s.say("\nWhen none of them can serve: %s.", strings.Join(told.Fallbacks, ", "))
	}
	return nil
}

// routeInWords tells what the name goes by.
func routeInWords(name string, told explained) string {
	route := told.Route
	if route == nil {
		return name + " goes by no route."
	}
	said := fmt.Sprintf("%s goes by the route %s", name, route.Name)
	if route.Match != name {
		said += ", which is for " + route.Match
	}
	if set := parametersInWords(route.Parameters); set != "" {
		said += ", with " + set
	}
	return said + "."
}

func (s *session) targetInWords(target explainedTarget) string {
	said := fmt.Sprintf("%s, priority %d, weight %d", target.routeTarget, target.Priority, target.Weight)
	if target.Excluded != nil {
		return said + ": can't serve: " + *target.Excluded
	}
	said += fmt.Sprintf(", %.3g %% of what its priority gets: ", 100*target.Share)
	switch {
	case target.Cause != nil:
		return said + strings.TrimSpace("all tokens fail alike, "+*target.Cause+" "+s.until(target.CauseUntil))
	case target.Chosen != nil:
		return said + "can serve now"
	case len(target.Candidates) == 0:
		return said + "has no tokens"
	}
	return said + "no token can serve now"
}

func (s *session) printCandidates(target explainedTarget) error {
	if len(target.Candidates) == 0 {
		return nil
	}
	rows := s.table("TOKEN", "ALIAS", "NOW")
	for _, c := range target.Candidates {
		now := "could be chosen"
		switch {
		case c.TokenID == text(target.Chosen):
			now = "is chosen next"
		case c.ExcludedBy != nil:
			now = strings.TrimSpace(*c.ExcludedBy + " " + s.until(c.Until))
		}
		rows.row(c.TokenID, c.Alias, now)
	}
	return rows.flush()
}
