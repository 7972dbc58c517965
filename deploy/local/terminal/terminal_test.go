package terminal

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// screenOf is a screen of so many columns. shown closes it, and returns what it has shown, however
// long that takes.
func screenOf(columns int, colours bool) (screen *Screen, shown func() string) {
	output := &strings.Builder{}
	screen = &Screen{lines: newQueue(output), columns: func() int { return columns }, colours: colours}
	return screen, func() string {
		screen.Close()
		<-screen.lines.closed
		return output.String()
	}
}

// tell has a handler told of a message at noon, with attributes as slog.Logger takes them.
func tell(t *testing.T, h slog.Handler, level slog.Level, message string, attrs ...any) {
	t.Helper()
	if !h.Enabled(t.Context(), level) {
		return
	}
	record := slog.NewRecord(noon, level, message, 0)
	record.Add(attrs...)
	if err := h.Handle(context.Background(), record); err != nil {
		t.Error(err)
	}
}

// answered are the attributes of a chat that went well.
var answered = []any{
	"request_id", "bb69eb033c8710049ed3349811d1807e", "route", "/v1/chat/completions", "method", "POST", "status", 200, "dur_ms", 1544.729, "ttft_ms", 543.827,
	"bytes_out", 790, "dialect", "openai", "stream", true, "model", "gpt-4o", "caller", "key", "key_id", "abcdefgh", "key_name", "Anna's laptop",
	"upstream", "work", "token_id", "t5heoxpg", "attempts", 2, "class", "success", "events", 4, "finish_reason", "stop",
	"prompt_tokens", 12345, "completion_tokens", 678, "usage_source", "reported", "remote_ip", "127.0.0.1",
}

// with is what there is to say of a chat, changed; a key of which the value is nil is not there.
func with(changes ...any) []any {
	attrs := []any{"route", "/v1/chat/completions", "method", "POST", "status", 200, "dur_ms", 12.0, "dialect", "openai", "model", "gpt-4o"}
	for i := 0; i < len(changes); i += 2 {
		at := 0
		for at < len(attrs) && attrs[at] != changes[i] {
			at += 2
		}
		attrs = append(attrs[:at], append([]any{changes[i], changes[i+1]}, attrs[min(at+2, len(attrs)):]...)...)
	}
	return attrs
}

func TestRequestLines(t *testing.T) {
	t.Parallel()
	const info, warn = slog.LevelInfo, slog.LevelWarn
	for name, c := range map[string]struct {
		level   slog.Level
		attrs   []any
		columns int
		want    string
	}{
		"all there is to say": {info, answered, 0, "12:00:00  200  gpt-4o · work · 1.5 s · first 543 ms · 12k in, 678 out · 2 tries · Anna's laptop"},
		"100 columns":         {info, answered, 100, "12:00:00  200  gpt-4o · work · 1.5 s · first 543 ms · 12k in, 678 out · 2 tries · Anna's laptop"},
		"80 columns":          {info, answered, 80, "12:00:00  200  gpt-4o · work · 1.5 s · first 543 ms · 12k in, 678 out · 2 tries"},
		"60 columns":          {info, answered, 60, "12:00:00  200  gpt-4o · work · 1.5 s · 12k in, 678 out"},
		"40 columns":          {info, answered, 40, "12:00:00  200  gpt-4o · work · 1.5 s"},
		"20 columns":          {info, answered, 20, "12:00:00  200  gpt-…"},
		"10 columns":          {info, answered, 10, "12:00:00  200  …"},

		"estimated":        {info, with("prompt_tokens", 3, "completion_tokens", 1_234_567, "usage_source", "estimated"), 0, "12:00:00  200  gpt-4o · 12 ms · ~3 in, ~1.2M out"},
		"in one piece":     {info, with("stream", false, "ttft_ms", 11.0), 0, "12:00:00  200  gpt-4o · 12 ms"},
		"in no time":       {info, with("dur_ms", 0.16), 0, "12:00:00  200  gpt-4o · <1 ms"},
		"in seconds":       {info, with("dur_ms", 45_600.0), 0, "12:00:00  200  gpt-4o · 45 s"},
		"in minutes":       {info, with("dur_ms", 125_600.0), 0, "12:00:00  200  gpt-4o · 2 min 5 s"},
		"by the admin":     {info, with("caller", "admin"), 0, "12:00:00  200  gpt-4o · 12 ms · admin"},
		"by the try page":  {info, with("caller", "session"), 0, "12:00:00  200  gpt-4o · 12 ms · admin's browser"},
		"with own token":   {info, with("caller", "own"), 0, "12:00:00  200  gpt-4o · 12 ms · own token"},
		"messages":         {info, with("dialect", "anthropic", "route", "/v1/messages"), 0, "12:00:00  200  gpt-4o · 12 ms"},
		"embeddings":       {info, with("route", "/v1/embeddings", "model", "e3"), 0, "12:00:00  200  e3 · embeddings · 12 ms"},
		"counting":         {info, with("route", "/v1/messages/count_tokens"), 0, "12:00:00  200  gpt-4o · count_tokens · 12 ms"},
		"without a model":  {info, with("model", ""), 0, "12:00:00  200  POST /v1/chat/completions · 12 ms"},
		"wide characters":  {info, with("key_name", "李的电脑"), 40, "12:00:00  200  gpt-4o · 12 ms · 李的电脑"},
		"too wide for all": {info, with("key_name", "李的电脑"), 39, "12:00:00  200  gpt-4o · 12 ms"},

		"a wrong key":    {info, with("status", 401, "error_kind", "unauthenticated", "error", "unauthenticated: the key is wrong"), 0, "12:00:00  401  gpt-4o · the key is wrong · 12 ms"},
		"no token":       {warn, with("status", 503, "error_kind", "no_tokens", "error", `no_tokens: upstream "cursor" has no tokens; add one`, "caller", "admin"), 0, `12:00:00  503  gpt-4o · upstream "cursor" has no tokens; add one · 12 ms · admin`},
		"little room":    {warn, with("status", 503, "error_kind", "no_tokens", "error", `no_tokens: upstream "cursor" has no tokens; add one`, "caller", "admin"), 50, `12:00:00  503  gpt-4o · upstream "cursor" has no …`},
		"broke off":      {warn, with("upstream", "work", "error_kind", "timeout", "error", "timeout: it fell silent"), 0, "12:00:00  200  gpt-4o · work · it fell silent · 12 ms"},
		"hostile":        {info, with("model", "a\x1b[2Jb\r\nc\u202ed\u009b", "key_name", "\x07x"), 0, "12:00:00  200  a·[2Jb c·d· · 12 ms · ·x"},
		"wrong address":  {info, []any{"route", "unmatched", "method", "POST", "status", 404, "dur_ms", 0.1, "error_kind", "not_found", "error", "not_found: there is no route POST /chat"}, 0, "12:00:00  404  there is no route POST /chat · <1 ms"},
		"models refused": {info, []any{"route", "/v1/models", "method", "GET", "status", 401, "dur_ms", 0.1, "error_kind", "unauthenticated", "error", "unauthenticated: no"}, 0, "12:00:00  401  GET /v1/models · no · <1 ms"},
		"pages fail":     {slog.LevelError, []any{"route", "/admin/", "method", "GET", "status", 503, "dur_ms", 1.0, "error_kind", "store_unavailable", "error", "store_unavailable: away"}, 0, "12:00:00  503  GET /admin/ · away · 1 ms"},

		"models":                {info, []any{"route", "/v1/models", "method", "GET", "status", 200, "dur_ms", 0.1}, 0, ""},
		"a page":                {info, []any{"route", "/admin/", "method", "GET", "status", 200, "dur_ms", 0.1, "caller", "session"}, 0, ""},
		"a change on a page":    {info, []any{"route", "/admin/api/tokens", "method", "POST", "status", 201, "dur_ms", 0.1, "caller", "session"}, 0, ""},
		"an icon that is not":   {info, []any{"route", "unmatched", "method", "GET", "status", 404, "dur_ms", 0.1, "error_kind", "not_found", "error", "not_found: no"}, 0, ""},
		"a poll":                {slog.LevelDebug, []any{"route", "/health", "method", "GET", "status", 200, "dur_ms", 0.1}, 0, ""},
		"an answer asked for":   {info, with("method", "GET", "route", "/v1/responses/:id"), 0, ""},
		"an admin who is wrong": {info, []any{"route", "/admin/api/tokens", "method", "POST", "status", 422, "dur_ms", 0.1, "error_kind", "invalid", "error", "invalid: no"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			screen, shown := screenOf(c.columns, false)
			tell(t, screen.Handler(info).WithAttrs([]slog.Attr{slog.String("service", "gateway")}), c.level, "request done", c.attrs...)
			if got := strings.TrimSuffix(shown(), "\n"); got != c.want {
				t.Errorf("shows\n%s, want\n%s", got, c.want)
			}
			if c.columns > 15 && columnsOf(c.want) > c.columns {
				t.Errorf("%d columns", columnsOf(c.want))
			}
		})
	}
}

func TestColoursSayHowItWent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attrs []any
		want  string
	}{
		"well":               {with(), "\x1b[2m12:00:00\x1b[0m  \x1b[32m200\x1b[0m  gpt-4o\x1b[2m · \x1b[0m12 ms\n"},
		"the caller's fault": {with("status", 400, "error", "no"), "\x1b[2m12:00:00\x1b[0m  \x1b[33m400\x1b[0m  gpt-4o\x1b[2m · \x1b[0m\x1b[33mno\x1b[0m\x1b[2m · \x1b[0m12 ms\n"},
		"ours":               {with("status", 503, "error", "no"), "\x1b[2m12:00:00\x1b[0m  \x1b[31m503\x1b[0m  gpt-4o\x1b[2m · \x1b[0m\x1b[31mno\x1b[0m\x1b[2m · \x1b[0m12 ms\n"},
		"broke off":          {with("error", "no"), "\x1b[2m12:00:00\x1b[0m  \x1b[31m200\x1b[0m  gpt-4o\x1b[2m · \x1b[0m\x1b[31mno\x1b[0m\x1b[2m · \x1b[0m12 ms\n"},
	} {
		screen, shown := screenOf(0, true)
		tell(t, screen.Handler(slog.LevelInfo), slog.LevelInfo, "request done", c.attrs...)
		if got := shown(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// Of what else the log says, what is wrong is shown, whole.
func TestOtherMessages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		level, least slog.Level
		message      string
		attrs        []any
		want         string
	}{
		"a warning":           {slog.LevelWarn, slog.LevelInfo, "token cools", []any{"token_id", "t1", "class", "", "error", errors.New("it\nfailed")}, "12:00:00  token cools (replica_of r1, token_id t1): it failed\n"},
		"an error":            {slog.LevelError, slog.LevelWarn, "no", nil, "12:00:00  no (replica_of r1)\n"},
		"what went well":      {slog.LevelInfo, slog.LevelInfo, "gateway serves", nil, ""},
		"what went well, too": {slog.LevelInfo, slog.LevelDebug, "gateway serves", nil, "12:00:00  gateway serves (replica_of r1)\n"},
		"told by other means": {slog.LevelWarn, slog.LevelInfo, "told", nil, ""},
	} {
		screen, shown := screenOf(20, false)
		handler := screen.Handler(c.least, "told").WithAttrs([]slog.Attr{slog.String("service", "gateway"), slog.String("replica_of", "r1")})
		tell(t, handler, c.level, c.message, c.attrs...)
		if got := shown(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// At the level Debug polls are shown as well, and above Info no chat that went well.
func TestLevels(t *testing.T) {
	t.Parallel()
	poll := []any{"route", "/health", "method", "GET", "status", 200, "dur_ms", 0.1}
	for level, want := range map[slog.Level]string{
		slog.LevelDebug: "12:00:00  200  GET /health · <1 ms\n12:00:00  200  gpt-4o · 12 ms\n",
		slog.LevelInfo:  "12:00:00  200  gpt-4o · 12 ms\n",
		slog.LevelWarn:  "",
	} {
		screen, shown := screenOf(0, false)
		tell(t, screen.Handler(level), slog.LevelDebug, "request done", poll...)
		tell(t, screen.Handler(level), slog.LevelInfo, "request done", with()...)
		if got := shown(); got != want {
			t.Errorf("%s: %q, want %q", level, got, want)
		}
	}
}

func TestGroupsAreNamed(t *testing.T) {
	t.Parallel()
	screen, shown := screenOf(0, false)
	handler := screen.Handler(slog.LevelInfo).WithGroup("redis").WithAttrs([]slog.Attr{slog.Int("port", 1)})
	tell(t, handler, slog.LevelWarn, "away", "tries", 2)
	if got := shown(); got != "12:00:00  away (redis.port 1, redis.tries 2)\n" {
		t.Errorf("%q", got)
	}
}

func TestColoursAreChosen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind, noColour string
		want           bool
	}{{"xterm", "", true}, {"xterm", "1", false}, {"dumb", "", false}, {"", "", false}} {
		environ := func(name string) string { return map[string]string{"TERM": c.kind, "NO_COLOR": c.noColour}[name] }
		if got := hasColours(environ); got != c.want {
			t.Errorf("TERM=%s NO_COLOR=%s: %t", c.kind, c.noColour, got)
		}
	}
}

// What is no terminal has neither colours nor an end of its lines.
func TestAFileIsNoTerminal(t *testing.T) {
	t.Parallel()
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, output := range []io.Writer{file, io.Discard} {
		screen := New(output, func(string) string { return "xterm" })
		if Is(output) || screen.colours || screen.columns() != 0 {
			t.Errorf("%T is taken for a terminal", output)
		}
		screen.Close()
	}
}
