package app

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/catalog"
	"carousel.internal/gateway/internal/upstream"
)

// The settings about failures are every driver's, and what is wrong with them is told
// together with what is wrong with the driver's own.
func TestSettingsOfFailuresWithEveryDriver(t *testing.T) {
	t.Parallel()
	constructors := drivers(Config{FirstByteTimeout: time.Minute, IdleTimeout: time.Minute})
	c := catalog.New(constructors, nil, slog.New(slog.DiscardHandler))
	for name := range constructors {
		config := upstream.Config{Name: "up", Driver: name, BaseURL: "https://upstream.test", Settings: map[string]string{
			"failure_rules": `[{"code":"odd","class":"upstream"}]`, "fallbacks": `{"*":["m"]}`, "retry_percent": "0",
		}}
		if err := c.Validate(config); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		config.Settings = map[string]string{"failure_rules": `[{"code":"odd","class":"odd"}]`, "idle_timeout": "soon"}
		err := c.Validate(config)
		for _, part := range []string{`settings.failure_rules: [0]: class: "odd" is not one of`, "settings.idle_timeout"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v does not say %q", name, err, part)
			}
		}
	}
}
