package accesslog_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/accesslog"
)

var full = accesslog.Line{
	RequestID: "0123456789abcdef0123456789abcdef", Method: "POST", Route: "/v1/chat/completions", Status: 200,
	Duration: 1500 * time.Microsecond, RemoteIP: netip.MustParseAddr("10.0.0.1"), BytesOut: 1000, Dialect: "openai", Model: "gpt-4o",
	Stream: true, FirstEvent: 700 * time.Microsecond, Events: 50, FinishReason: "stop", PromptTokens: 10,
	CompletionTokens: 50, CacheReadTokens: 6, CacheWriteTokens: 3, CacheWriteHourTokens: 1, ReasoningTokens: 20, UsageSource: "reported", ErrorKind: "internal", Error: "boom",
	Caller: "key", KeyID: "abcdefgh234567xy", KeyName: "ci",
	Served: accesslog.Served{Upstream: "cursor", TokenID: "t1", Attempts: 2, Class: "success"},
}

func TestFields(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		line accesslog.Line
		want []string
	}{
		"everything": {full, []string{
			"attempts", "bytes_out", "cache_read_tokens", "cache_write_hour_tokens", "cache_write_tokens", "caller", "class", "completion_tokens", "dialect", "dur_ms", "error", "error_kind", "events", "finish_reason",
			"key_id", "key_name", "level", "method", "model", "msg", "prompt_tokens", "reasoning_tokens", "remote_ip", "request_id", "route", "status", "stream",
			"time", "token_id", "ttft_ms", "upstream", "usage_source",
		}},
		"a plain request": {accesslog.Line{RequestID: "x", Method: "GET", Route: "/health", Status: 200}, []string{
			"dur_ms", "level", "method", "msg", "request_id", "route", "status", "time",
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			log := accesslog.New(slog.New(slog.NewJSONHandler(&out, nil)))
			log.Write(slog.LevelInfo, &c.line)
			var got map[string]any
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if keys := slices.Sorted(maps.Keys(got)); !slices.Equal(keys, c.want) {
				t.Errorf("keys\n%v, want\n%v", keys, c.want)
			}
			if got["msg"] != "request done" {
				t.Errorf("msg %v", got["msg"])
			}
		})
	}
}

// What is noted belongs to the request that is followed; the last word counts.
func TestNotes(t *testing.T) {
	t.Parallel()
	var one, two accesslog.Served
	first, second := accesslog.Following(t.Context(), &one), accesslog.Following(t.Context(), &two)
	accesslog.Note(first, accesslog.Served{Upstream: "first"})
	accesslog.Note(second, accesslog.Served{Upstream: "before"})
	accesslog.Note(second, accesslog.Served{Upstream: "second"})
	accesslog.Note(t.Context(), accesslog.Served{Upstream: "third"}) // nobody follows it
	if one.Upstream != "first" || two.Upstream != "second" {
		t.Errorf("%+v %+v", one, two)
	}
}

// Lines that are written without slog say what slog would have said, in its order.
func TestJSONIsThatOfSlog(t *testing.T) {
	t.Parallel()
	at := regexp.MustCompile(`"time":"[^"]+"`)
	odd := accesslog.Line{
		Route: "/v1/\"x\"\n", Status: 500, Duration: 90 * time.Minute, Error: "no\u2028t\x00 <b>&\xff é 😀\x7f", Dialect: "openai", Model: `\\`,
		RemoteIP: netip.MustParseAddr("2001:db8::1"), FirstEvent: time.Nanosecond,
	}
	for name, line := range map[string]accesslog.Line{"everything": full, "nothing": {}, "odd texts": odd} {
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			var want, got bytes.Buffer
			logger := slog.New(slog.NewJSONHandler(&want, &slog.HandlerOptions{Level: slog.LevelInfo})).With("service", "gateway", "replica", `r"1`)
			accesslog.New(logger).Write(level, &line)
			accesslog.NewJSON(logger, &got, slog.String("service", "gateway"), slog.String("replica", `r"1`)).Write(level, &line)
			if wanted, is := at.ReplaceAllString(want.String(), ""), at.ReplaceAllString(got.String(), ""); !sameJSON(wanted, is) {
				t.Errorf("%s, %s:\n%s, want\n%s", name, level, is, wanted)
			}
		}
	}
}

// sameJSON tells whether two lines are the same but for how characters are escaped.
func sameJSON(one, two string) bool {
	escapes := strings.NewReplacer(`\u2028`, "\u2028", `\ufffd`, "\ufffd", `\u007f`, "\x7f")
	return escapes.Replace(one) == escapes.Replace(two)
}

// A line's room is used again by the next: what a writer was given it may not keep, and lines that
// are written at once don't mix.
func TestLinesDontMix(t *testing.T) {
	t.Parallel()
	var out counter
	buffer := accesslog.NewBuffer(&out, time.Hour)
	log := accesslog.NewJSON(slog.New(slog.NewJSONHandler(io.Discard, nil)), buffer) //nolint:sloglint // DiscardHandler is not enabled
	var writers sync.WaitGroup
	for writer := range 4 {
		writers.Go(func() {
			name := strings.Repeat(strconv.Itoa(writer), 100*(writer+1))
			for range 100 {
				log.Write(slog.LevelInfo, &accesslog.Line{RequestID: name, Model: name, Error: name})
			}
		})
	}
	writers.Wait()
	_ = buffer.Close()
	_, text := out.state()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, line := range lines {
		var got struct {
			ID    string `json:"request_id"`
			Model string `json:"model"`
			Error string `json:"error"`
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.ID != got.Model || got.ID != got.Error || got.ID == "" {
			t.Fatalf("%v in %s", err, line)
		}
	}
	if len(lines) != 400 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestLevelIsHonoured(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := accesslog.New(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})))
	log.Write(slog.LevelInfo, &full)
	if out.Len() != 0 {
		t.Error("an info line in a log of warnings")
	}
	log.Write(slog.LevelWarn, &full)
	if out.Len() == 0 {
		t.Error("no warning")
	}
}

// counter counts writes.
type counter struct {
	mu     sync.Mutex
	writes int
	text   strings.Builder
}

func (c *counter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
	return c.text.Write(p)
}

func (c *counter) state() (int, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writes, c.text.String()
}

func TestBufferGathersLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out counter
		buffer := accesslog.NewBuffer(&out, 100*time.Millisecond)
		for _, line := range []string{"a\n", "b\n", "c\n"} {
			if n, err := io.WriteString(buffer, line); n != 2 || err != nil {
				t.Fatal(n, err)
			}
		}
		if writes, _ := out.state(); writes != 0 {
			t.Fatal("written at once")
		}
		time.Sleep(101 * time.Millisecond)
		synctest.Wait()
		if writes, text := out.state(); writes != 1 || text != "a\nb\nc\n" {
			t.Fatalf("%d writes of %q", writes, text)
		}
		_, _ = io.WriteString(buffer, strings.Repeat("x", 40<<10))
		if writes, _ := out.state(); writes != 2 {
			t.Error("a full buffer waits")
		}
		_, _ = io.WriteString(buffer, "last\n")
		_ = buffer.Close()
		_, _ = io.WriteString(buffer, "late\n")
		if _, text := out.state(); !strings.HasSuffix(text, "last\nlate\n") {
			t.Error("lines lost at the end")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
	})
}

// What a line costs the request path:
//
//	go test -run '^$' -bench Line ./internal/accesslog
func BenchmarkLine(b *testing.B) {
	buffer := accesslog.NewBuffer(io.Discard, 100*time.Millisecond)
	defer func() { _ = buffer.Close() }()
	logger := slog.New(slog.NewJSONHandler(buffer, nil))
	line := full
	line.ErrorKind, line.Error = "", ""
	for name, log := range map[string]*accesslog.Log{"slog": accesslog.New(logger), "JSON": accesslog.NewJSON(logger, buffer)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				log.Write(slog.LevelInfo, &line)
			}
		})
	}
}
