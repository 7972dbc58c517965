package admincli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// route is an alias or a pattern, as the API answers it.
type route struct {
	Name       string                     `json:"name"`
	Match      string                     `json:"match"`
	Targets    []routeTarget              `json:"targets"`
	Parameters map[string]json.RawMessage `json:"parameters"`
}

type routeTarget struct {
	Upstream string `json:"upstream"`
	Model    string `json:"model"`
	Priority uint32 `json:"priority"`
	Weight   uint32 `json:"weight"`
}

func (t routeTarget) String() string {
	if t.Model == "" {
		return t.Upstream + ", as it is named"
	}
	return t.Upstream + "/" + t.Model
}

func (s *session) routes() *cobra.Command {
	return group("routes", "The aliases and patterns, and where requests go that name them", s.listRoutes(), s.showRoute(), s.putRoute(), s.deleteRoute())
}

func (s *session) listRoutes() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the routes with their targets", Example: s.examples("routes list", "routes list -o yaml")}
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, err := s.api.get(ctx, "routes", nil)
		return showAs(s, answer, err, "routes.targets", func(list struct {
			Routes []route `json:"routes"`
		},
		) error {
			return s.printRoutes(list.Routes...)
		})
	})
}

func (s *session) printRoutes(routes ...route) error {
	rows := s.table("NAME", "MATCH", "TARGET", "PRIORITY", "WEIGHT", "PARAMETERS")
	for _, r := range routes {
		for _, t := range r.Targets {
			rows.row(r.Name, r.Match, t.String(), count(t.Priority), count(t.Weight), parametersInWords(r.Parameters))
		}
	}
	return rows.flush()
}

func (s *session) showRoute() *cobra.Command {
	c := &cobra.Command{Use: "show NAME", Short: "Show one route", Args: exactly(1), Example: s.examples("routes show fast -o yaml")}
	return s.runs(c, func(ctx context.Context, args []string) error {
		answer, err := s.api.get(ctx, path("routes", args[0]), nil)
		return showAs(s, answer, err, "", func(r route) error { return s.printRoutes(r) })
	})
}

// parametersInWords is such as `reasoning_effort=low, temperature=0.2 by default`.
func parametersInWords(parameters map[string]json.RawMessage) string {
	said := make([]string, 0, len(parameters))
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		value, suffix := parameters[name], ""
		var only struct {
			Default json.RawMessage `json:"default"`
		}
		if json.Unmarshal(value, &only) == nil && only.Default != nil {
			value, suffix = only.Default, " by default"
		}
		said = append(said, name+"="+strings.Trim(string(value), `"`)+suffix)
	}
	return strings.Join(said, ", ")
}

// targets collects flags such as openai/gpt-5-mini,1,3.
type targets []routeTarget

func (t *targets) String() string { return "" }

func (t *targets) Type() string { return "TARGET" }

func (t *targets) Set(text string) error {
	wrong := fmt.Errorf("UPSTREAM/MODEL[,PRIORITY[,WEIGHT]] wanted, not %q", text)
	name, numbers, _ := strings.Cut(text, ",")
	target := routeTarget{Weight: 1}
	target.Upstream, target.Model, _ = strings.Cut(name, "/")
	if target.Upstream == "" {
		return wrong
	}
	into := []*uint32{&target.Priority, &target.Weight}
	given := list(numbers)
	if len(given) > len(into) {
		return wrong
	}
	for i, each := range given {
		n, err := strconv.ParseUint(each, 10, 32)
		if err != nil {
			return wrong
		}
		*into[i] = uint32(n)
	}
	*t = append(*t, target)
	return nil
}

func (s *session) putRoute() *cobra.Command {
	c := &cobra.Command{
		Use: "put NAME", Short: "Create or replace a route", Args: exactly(1),
		Example: s.examples("routes put fast --target openai/gpt-5-mini,0,3 --target deepseek/deepseek-chat,1 --set reasoning_effort=low", "routes put claude --match 'claude-*' --target anthropic"),
	}
	match := c.Flags().String("match", "", "the `NAME|PATTERN` that requests name; by default the route's name")
	var to targets
	c.Flags().Var(&to, "target", "`UPSTREAM[/MODEL][,PRIORITY[,WEIGHT]]` that requests go to, may be repeated; priority 0 comes first")
	set, defaults := pairs{}, pairs{}
	c.Flags().Var(set, "set", "`PARAMETER=VALUE` that always holds, may be repeated")
	c.Flags().Var(defaults, "default", "`PARAMETER=VALUE` where a request has none, may be repeated")
	return s.runs(c, func(ctx context.Context, args []string) error {
		answer, err := s.api.send(ctx, http.MethodPut, path("routes", args[0]), map[string]any{
			"match": *match, "targets": append(targets{}, to...), "parameters": parametersFrom(set, defaults),
		})
		return showAs(s, answer, err, "", func(stored struct {
			Warnings []string `json:"warnings"`
		},
		) error {
			s.say("route %s is stored", strconv.Quote(args[0]))
			for _, warning := range stored.Warnings {
				s.say("note: %s", warning)
			}
			return nil
		})
	})
}

// parametersFrom is the object of the parameters.
func parametersFrom(set, defaults pairs) map[string]any {
	parameters := map[string]any{}
	for name, value := range defaults {
		parameters[name] = map[string]any{"default": numberOrText(value)}
	}
	for name, value := range set {
		parameters[name] = numberOrText(value)
	}
	return parameters
}

func numberOrText(value string) any {
	var number json.Number
	if json.Unmarshal([]byte(value), &number) == nil && number != "" && value[0] != '"' {
		return number
	}
	return value
}

func (s *session) deleteRoute() *cobra.Command {
	c := &cobra.Command{Use: "delete NAME", Short: "Delete a route", Args: exactly(1), Example: s.examples("routes delete fast")}
	return s.runs(c, func(ctx context.Context, args []string) error {
		if _, err := s.api.send(ctx, http.MethodDelete, path("routes", args[0]), nil); err != nil {
			return err
		}
		s.say("route %s is deleted", strconv.Quote(args[0]))
		return nil
	})
}
