package admincli

import (
	"cmp"
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

func (s *session) upstreams() *cobra.Command {
	return group("upstreams", "The upstreams", s.listUpstreams(), s.showUpstream(), s.putUpstream(), s.deleteUpstream())
}

type upstream struct {
	Name     string            `json:"name"`
	Driver   string            `json:"driver"`
	BaseURL  string            `json:"base_url"`
	Models   []string          `json:"models"`
	Settings map[string]string `json:"settings"`
}

// models are those that it is limited to.
func (u upstream) models() string {
	return cmp.Or(strings.Join(u.Models, ", "), "as the upstream lists them")
}

func (s *session) listUpstreams() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the upstreams", Example: s.examples("upstreams list", "upstreams list -o yaml")}
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, err := s.api.get(ctx, "upstreams", nil)
		return showAs(s, answer, err, "upstreams", func(list struct {
			Upstreams []upstream `json:"upstreams"`
		},
		) error {
			rows := s.table("NAME", "DRIVER", "BASE URL", "MODELS")
			for _, u := range list.Upstreams {
				rows.row(u.Name, u.Driver, u.BaseURL, u.models())
			}
			return rows.flush()
		})
	})
}

func (s *session) showUpstream() *cobra.Command {
	c := &cobra.Command{Use: "show NAME", Short: "Show one upstream, with its settings", Args: exactly(1), Example: s.examples("upstreams show cursor -o yaml")}
	return s.runs(c, func(ctx context.Context, args []string) error {
		list, err := read[struct {
			Upstreams []json.RawMessage `json:"upstreams"`
		}](s.api.get(ctx, "upstreams", nil))
		if err != nil {
			return err
		}
		var names []string
		for _, each := range list.Upstreams {
			u, err := read[upstream](each, nil)
			if err != nil {
				return err
			}
			if u.Name == args[0] {
				return s.show(each, "", func() error { return s.upstreamFields(u) })
			}
			names = append(names, u.Name)
		}
		return fmt.Errorf("there is no upstream %q%s", args[0], didYouMean(args[0], names))
	})
}

func (s *session) upstreamFields(u upstream) error {
	pairs := []string{"name", u.Name, "driver", u.Driver, "base URL", u.BaseURL, "models", u.models()}
	for _, name := range slices.Sorted(maps.Keys(u.Settings)) {
		pairs = append(pairs, name, u.Settings[name])
	}
	return s.fields(pairs...)
}

func (s *session) putUpstream() *cobra.Command {
	c := &cobra.Command{
		Use: "put NAME", Short: "Create or replace an upstream", Args: exactly(1),
		Example: s.examples("upstreams put deepseek --driver openai --base-url https://api.deepseek.com/v1 --models deepseek-chat --set first_byte_timeout=90s"),
	}
	driver := c.Flags().String("driver", "", "the `DRIVER` that speaks to it: cursor, openai or anthropic")
	baseURL, models := c.Flags().String("base-url", "", "`URL` of its API"), c.Flags().String("models", "", "`IDS` of its models, with commas between; without it, those that it lists")
	settings := pairs{}
	c.Flags().Var(settings, "set", "`KEY=VALUE` of its settings, may be repeated")
	return s.runs(c, func(ctx context.Context, args []string) error {
		answer, err := s.api.send(ctx, http.MethodPut, path("upstreams", args[0]), map[string]any{
			"driver": *driver, "base_url": *baseURL, "models": list(*models), "settings": settings,
		})
		return showAs(s, answer, err, "", func(stored struct {
			Check struct {
				State  string  `json:"state"`
				Models *int    `json:"models"`
				Detail *string `json:"detail"`
			} `json:"check"`
		},
		) error {
			s.say("upstream %s is stored", strconv.Quote(args[0]))
			if stored.Check.State != "" {
				s.say("check: %s%s%s", strings.ReplaceAll(stored.Check.State, "_", " "), listed(stored.Check.Models), because(stored.Check.Detail))
			}
			return nil
		})
	})
}

// listed tells how many models there are, nothing where that is not known.
func listed(models *int) string {
	if models == nil {
		return ""
	}
	return ", with " + strconv.Itoa(*models) + " models"
}

func because(detail *string) string {
	if detail == nil {
		return ""
	}
	return ": " + *detail
}

func (s *session) deleteUpstream() *cobra.Command {
	c := &cobra.Command{Use: "delete NAME", Short: "Delete an upstream without tokens", Args: exactly(1), Example: s.examples("upstreams delete deepseek")}
	return s.runs(c, func(ctx context.Context, args []string) error {
		if _, err := s.api.send(ctx, http.MethodDelete, path("upstreams", args[0]), nil); err != nil {
			return err
		}
		s.say("upstream %s is deleted", strconv.Quote(args[0]))
		return nil
	})
}
