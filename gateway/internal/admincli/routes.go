package admincli

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
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

func listRoutes(*flag.FlagSet) run {
	return func(ctx context.Context, s *session, _ []string) error {
		answer, err := s.api.get(ctx, "routes", nil)
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(answer)
		}
		list, err := read[struct {
			Routes []route `json:"routes"`
		}](answer, nil)
		if err != nil {
			return err
		}
		rows := newTable(s.Stdout, "NAME", "MATCH", "TARGET", "PRIORITY", "WEIGHT", "PARAMETERS")
		for _, r := range list.Routes {
			for _, t := range r.Targets {
				rows.row(r.Name, r.Match, t.String(), decimal(t.Priority), decimal(t.Weight), parametersInWords(r.Parameters))
			}
		}
		return rows.flush()
	}
}

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

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

func putRoute(flags *flag.FlagSet) run {
	match := flags.String("match", "", "")
	var to targets
	flags.Var(&to, "target", "")
	set, defaults := pairs{}, pairs{}
	flags.Var(set, "set", "")
	flags.Var(defaults, "default", "")
	return func(ctx context.Context, s *session, args []string) error {
		answer, err := s.api.send(ctx, http.MethodPut, path("routes", args[0]), map[string]any{
			"match": *match, "targets": append(targets{}, to...), "parameters": parametersFrom(set, defaults),
		})
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(answer)
		}
		stored, err := read[struct {
			Warnings []string `json:"warnings"`
		}](answer, nil)
		if err != nil {
			return err
		}
		s.say("route %s is stored", strconv.Quote(args[0]))
		for _, warning := range stored.Warnings {
			s.say("note: %s", warning)
		}
		return nil
	}
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

func deleteRoute(*flag.FlagSet) run {
	return func(ctx context.Context, s *session, args []string) error {
		if _, err := s.api.send(ctx, http.MethodDelete, path("routes", args[0]), nil); err != nil {
			return err
		}
		s.say("route %s is deleted", strconv.Quote(args[0]))
		return nil
	}
}
