package admincli

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

func listUpstreams(*flag.FlagSet) run {
	return func(ctx context.Context, s *session, _ []string) error {
		answer, err := s.api.get(ctx, "upstreams", nil)
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(answer)
		}
		list, err := read[struct {
			Upstreams []struct {
				Name    string   `json:"name"`
				Driver  string   `json:"driver"`
				BaseURL string   `json:"base_url"`
				Models  []string `json:"models"`
			} `json:"upstreams"`
		}](answer, nil)
		if err != nil {
			return err
		}
		rows := newTable(s.Stdout, "NAME", "DRIVER", "BASE URL", "MODELS")
		for _, u := range list.Upstreams {
			models := "as the upstream lists them"
			if len(u.Models) > 0 {
				models = strings.Join(u.Models, ", ")
			}
			rows.row(u.Name, u.Driver, u.BaseURL, models)
		}
		return rows.flush()
	}
}

// pairs collects KEY=VALUE flags.
type pairs map[string]string

func (p pairs) String() string { return "" }

func (p pairs) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found || key == "" {
		return fmt.Errorf("KEY=VALUE wanted, not %q", text)
	}
	p[key] = value
	return nil
}

func putUpstream(flags *flag.FlagSet) run {
	driver, baseURL, models := flags.String("driver", "", ""), flags.String("base-url", "", ""), flags.String("models", "", "")
	settings := pairs{}
	flags.Var(settings, "set", "")
	return func(ctx context.Context, s *session, args []string) error {
		answer, err := s.api.send(ctx, http.MethodPut, path("upstreams", args[0]), map[string]any{
			"driver": *driver, "base_url": *baseURL, "models": list(*models), "settings": settings,
		})
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(answer)
		}
		s.say("upstream %s is stored", strconv.Quote(args[0]))
		return nil
	}
}

func deleteUpstream(*flag.FlagSet) run {
	return func(ctx context.Context, s *session, args []string) error {
		if _, err := s.api.send(ctx, http.MethodDelete, path("upstreams", args[0]), nil); err != nil {
			return err
		}
		s.say("upstream %s is deleted", strconv.Quote(args[0]))
		return nil
	}
}
