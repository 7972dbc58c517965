package admincli

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"time"
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
		told, err := read[explained](answer, nil)
		if err != nil {
			return err
		}
		s.say("%s", routeInWords(args[0], told))
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
	rows := newTable(s.Stdout, "TOKEN", "ALIAS", "NOW")
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

// until tells how long something goes on: `for 30s`.
func (s *session) until(at *time.Time) string { return strings.Replace(s.age(at), "in ", "for ", 1) }
