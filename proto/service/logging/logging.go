// Package logging makes a service's own log, and has the keys that configure it.
package logging

import (
	"fmt"
	"io"
	"log/slog"
)

// Options are a part of each service's configuration.
type Options struct {
	LogLevel  string `key:"log_level" doc:"debug, info, warn or error."`
	LogFormat string `key:"log_format" doc:"json or text."`
}

// Default is what a service logs when nothing is configured.
func Default() Options { return Options{LogLevel: "info", LogFormat: "json"} }

// CheckLog answers every problem, each beginning with its key.
func (c Options) CheckLog() []error {
	var problems []error
	if new(slog.LevelVar).UnmarshalText([]byte(c.LogLevel)) != nil {
		problems = append(problems, fmt.Errorf("log_level: debug, info, warn or error wanted, not %q", c.LogLevel))
	}
	if c.LogFormat != "json" && c.LogFormat != "text" {
		problems = append(problems, fmt.Errorf("log_format: json or text wanted, not %q", c.LogFormat))
	}
	return problems
}

// Level is LogLevel for slog.
func (c Options) Level() slog.Level {
	var level slog.LevelVar
	_ = level.UnmarshalText([]byte(c.LogLevel)) // CheckLog has seen it
	return level.Level()
}

// Logger writes to output, a line at a time.
func (c Options) Logger(output io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level()}
	if c.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(output, options))
	}
	return slog.New(slog.NewJSONHandler(output, options))
}
