package admincli

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

func listSettings(*flag.FlagSet) run {
	return func(ctx context.Context, s *session, _ []string) error {
		return s.printSettings(s.api.get(ctx, "settings", nil))
	}
}

func (s *session) printSettings(answer []byte, err error) error {
	if err != nil {
		return err
	}
	if s.json {
		return s.printJSON(answer)
	}
	settings, err := readSettings(answer)
	if err != nil {
		return err
	}
	rows := newTable(s.Stdout, "SETTING", "VALUE")
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		rows.row(name, fmt.Sprint(settings[name]))
	}
	return rows.flush()
}

// readSettings keeps numbers as they were written.
func readSettings(answer []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(answer))
	decoder.UseNumber()
	var settings map[string]any
	if err := decoder.Decode(&settings); err != nil {
		return nil, fmt.Errorf("the gateway's answer can't be read: %w", err)
	}
	return settings, nil
}

func setSettings(*flag.FlagSet) run {
	return func(ctx context.Context, s *session, args []string) error {
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
			name, value, found := strings.Cut(arg, "=")
			if !found {
				return fmt.Errorf("NAME=VALUE wanted, not %q", arg)
			}
			body[name] = typed(settings[name], value)
		}
		return s.printSettings(s.api.send(ctx, http.MethodPatch, "settings", body))
	}
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

func resetSettings(*flag.FlagSet) run {
	return func(ctx context.Context, s *session, names []string) error {
		return s.printSettings(s.api.send(ctx, http.MethodPost, "settings/reset", map[string]any{"names": names}))
	}
}
