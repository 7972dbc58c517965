package terminal

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// handler makes lines of a log's records.
type handler struct {
	screen *Screen
	level  slog.Level
	// told are messages that somebody else tells.
	told []string
	// attrs and prefix are those of With and WithGroup.
	attrs  []slog.Attr
	prefix string
}

// Handler makes a handler for logs: of requests that are news it says a line each, of all else what
// is wrong. With the level Debug it says everything. told are messages that are left out, because
// the screen is told what they say by other means.
func (s *Screen) Handler(level slog.Level, told ...string) slog.Handler {
	return &handler{screen: s, level: level, told: told}
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	for _, attr := range attrs {
		attr.Key = h.prefix + attr.Key
		with.attrs = append(slices.Clip(with.attrs), attr)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	with := *h
	with.prefix += name + "."
	return &with
}

// Handle implements slog.Handler.
func (h *handler) Handle(_ context.Context, record slog.Record) error {
	all := h.level <= slog.LevelDebug
	if record.Message == requestMessage {
		if r := requestOf(record); all || r.isNews(record.Level) {
			h.screen.write(h.screen.requestLine(record.Time, r))
		}
		return nil
	}
	if all || record.Level >= slog.LevelWarn && !slices.Contains(h.told, record.Message) {
		h.screen.say(record.Time, record.Level, h.sentence(record))
	}
	return nil
}

// unsaid are attributes that say nothing where one process has all.
var unsaid = []string{"service", "replica"}

// sentence is a record's message with what belongs to it; an error is its end.
func (h *handler) sentence(record slog.Record) string {
	var details []string
	end := ""
	note := func(attr slog.Attr) {
		value := attr.Value.Resolve().String()
		switch {
		case slices.Contains(unsaid, attr.Key) || value == "":
		case attr.Key == "error":
			end = ": " + value
		default:
			details = append(details, attr.Key+" "+value)
		}
	}
	for _, attr := range h.attrs {
		note(attr)
	}
	record.Attrs(func(attr slog.Attr) bool {
		attr.Key = h.prefix + attr.Key
		note(attr)
		return true
	})
	if len(details) == 0 {
		return record.Message + end
	}
	return record.Message + " (" + strings.Join(details, ", ") + ")" + end
}

// say writes what a log says, whole: what is wrong is not cut.
func (s *Screen) say(at time.Time, level slog.Level, text string) {
	c := plain
	switch {
	case level >= slog.LevelError:
		c = red
	case level >= slog.LevelWarn:
		c = yellow
	case level < slog.LevelInfo:
		c = faint
	}
	s.write(s.paint(faint, at.Format(timeLayout)) + "  " + s.paint(c, clean(text)))
}

// Warn says at once that something is wrong.
func (s *Screen) Warn(at time.Time, text string) { s.say(at, slog.LevelWarn, text) }

// Relieve says that something is wrong no more.
func (s *Screen) Relieve(at time.Time, text string) {
	s.write(s.paint(faint, at.Format(timeLayout)) + "  " + s.paint(green, clean(text)))
}
