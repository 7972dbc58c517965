package admincli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (s *session) settings() *cobra.Command {
	return group("settings", "The settings that can be changed while running", s.listSettings(), s.setSettings(), s.resetSettings(), s.settingChanges())
}

func (s *session) listSettings() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the settings", Example: s.examples("settings list", "settings list -o yaml")}
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, err := s.api.get(ctx, "settings", nil)
		return s.printSettings(answer, err)
	})
}

func (s *session) printSettings(answer []byte, err error) error {
	if err != nil {
		return err
	}
	return s.show(answer, "", func() error {
		settings, err := readSettings(answer)
		if err != nil {
			return err
		}
		rows := s.table("SETTING", "VALUE")
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			rows.row(name, fmt.Sprint(settings[name]))
		}
		return rows.flush()
	})
}

// readSettings keeps numbers as they were written.
func readSettings(answer []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(answer))
	decoder.UseNumber()
	var settings map[string]any
	if err := decoder.Decode(&settings); err != nil {
		return nil, unreadable(err)
	}
	return settings, nil
}

func (s *session) setSettings() *cobra.Command {
	c := &cobra.Command{
		Use: "set NAME=VALUE…", Short: "Change settings, all or none", Args: assignments,
		Example: s.examples("settings set max_attempts=4 log_prompts=false"),
	}
	return s.runs(c, func(ctx context.Context, args []string) error {
		now, err := s.api.get(ctx, "settings", nil)
		if err != nil {
			return err
		}
		settings, err := readSettings(now)
		if err != nil {
			return err
		}
		body := map[string]any{}
		for _, arg := range args {
			name, value, _ := strings.Cut(arg, "=")
			if _, known := settings[name]; !known {
				return misuse("there is no setting %q%s", name, didYouMean(name, slices.Sorted(maps.Keys(settings))))
			}
			body[name] = typed(settings[name], value)
		}
		answer, err := s.api.send(ctx, http.MethodPatch, "settings", body)
		return s.printSettings(answer, err)
	})
}

// assignments are arguments such as name=value.
func assignments(c *cobra.Command, args []string) error {
	for _, arg := range args {
		if !strings.Contains(arg, "=") {
			return misuse("NAME=VALUE wanted, not %q", arg)
		}
	}
	return oneOrMore()(c, args)
}

// typed gives a value the type that the setting has now. What does not fit stays
// text, and the API says what it wants.
func typed(now any, value string) any {
	switch now.(type) {
	case bool:
		if value == "true" || value == "false" {
			return value == "true"
		}
	case json.Number:
		if number := json.Number(value); json.Valid([]byte(value)) {
			return number
		}
	}
	return value
}

func (s *session) resetSettings() *cobra.Command {
	c := &cobra.Command{Use: "reset NAME…", Short: "Take settings back to their defaults", Args: oneOrMore(), Example: s.examples("settings reset max_attempts")}
	return s.runs(c, func(ctx context.Context, names []string) error {
		answer, err := s.api.send(ctx, http.MethodPost, "settings/reset", map[string]any{"names": names})
		return s.printSettings(answer, err)
	})
}

func (s *session) settingChanges() *cobra.Command {
	c := &cobra.Command{Use: "changes", Short: "Show who changed which setting or page last", Example: s.examples("settings changes")}
	return s.runs(c, func(ctx context.Context, _ []string) error {
		answer, err := s.api.get(ctx, "settings/changes", nil)
		return showAs(s, answer, err, "changes", func(list struct {
			Changes []struct {
				Name  string     `json:"name"`
				At    *time.Time `json:"at"`
				Actor string     `json:"actor"`

				Previous        *string `json:"previous"`
				PreviousDefault bool    `json:"previous_default"`
			} `json:"changes"`
		},
		) error {
			rows := s.table("NAME", "CHANGED", "BY", "BEFORE")
			for _, change := range list.Changes {
				before := text(change.Previous)
				if change.PreviousDefault {
					before = "the default"
				}
				rows.row(change.Name, s.age(change.At), change.Actor, before)
			}
			return rows.flush()
		})
	})
}
