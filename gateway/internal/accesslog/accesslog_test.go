package accesslog_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/accesslog"
)

var full = accesslog.Line{
	RequestID: "0123456789abcdef0123456789abcdef", Method: "POST", Route: "/v1/chat/completions", Status: 200,
	Duration: 1500 * time.Microsecond, RemoteIP: "10.0.0.1", BytesOut: 1000, Dialect: "openai", Model: "gpt-4o",
	Stream: true, FirstEvent: 700 * time.Microsecond, Events: 50, FinishReason: "stop", PromptTokens: 10,
	CompletionTokens: 50, CacheReadTokens: 6, CacheWriteTokens: 3, CacheWriteHourTokens: 1, ReasoningTokens: 20, UsageSource: "reported", ErrorKind: "internal", Error: "boom",
}

func TestFields(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		line accesslog.Line
		want []string
	}{
		"everything": {full, []string{
			"bytes_out", "cache_read_tokens", "cache_write_hour_tokens", "cache_write_tokens", "completion_tokens", "dialect", "dur_ms", "error", "error_kind", "events", "finish_reason",
			"level", "method", "model", "msg", "prompt_tokens", "reasoning_tokens", "remote_ip", "request_id", "route", "status", "stream",
			"time", "ttft_ms", "usage_source",
		}},
		"a plain request": {accesslog.Line{RequestID: "x", Method: "GET", Route: "/health", Status: 200}, []string{
			"dur_ms", "level", "method", "msg", "request_id", "route", "status", "time",
		}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			accesslog.New(slog.New(slog.NewJSONHandler(&out, nil))).Write(t.Context(), slog.LevelInfo, &c.line)
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

func TestLevelIsHonoured(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := accesslog.New(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})))
	log.Write(t.Context(), slog.LevelInfo, &full)
	if out.Len() != 0 {
		t.Error("an info line in a log of warnings")
	}
	log.Write(t.Context(), slog.LevelWarn, &full)
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
	log := accesslog.New(slog.New(slog.NewJSONHandler(buffer, nil)))
	line := full
	line.ErrorKind, line.Error = "", ""
	b.ReportAllocs()
	for b.Loop() {
		log.Write(b.Context(), slog.LevelInfo, &line)
	}
}
