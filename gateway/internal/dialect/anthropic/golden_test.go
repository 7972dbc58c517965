package anthropic_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"carousel.internal/gateway/grammar"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

var update = flag.Bool("update", false, "write the golden streams as they are now")

// Whole streams, byte by byte, for whoever wants to see one.
func TestGoldenStreams(t *testing.T) {
	t.Parallel()
	for name, events := range map[string][]chat.Event{
		"agent.sse": flat(t,
			upstream.Flat{Reasoning: "I should "}, upstream.Flat{Reasoning: "look."}, upstream.Flat{Text: "Let me look:\n"},
			call(0, "call_1", "Read", `{"path":`), call(1, "call_2", "Bash", `{"command":"ls"}`), call(0, "", "", `"a \"b\""}`),
			upstream.Flat{Finish: chat.CalledTools, Usage: &chat.Usage{Prompt: 1200, CacheRead: 1000, CacheWrite: 100, CacheWriteHour: 40, Completion: 60, Reasoning: 20}},
		),
		"cut.sse":    flat(t, upstream.Flat{Text: "日本 \u2028"}, call(0, "call_1", "Read", `{"pa`), upstream.Flat{Finish: chat.Length, Usage: &chat.Usage{Prompt: 9, Completion: 8}}),
		"native.sse": native(&chat.Request{Model: "the-upstreams-name"}),
	} {
		options := grammar.Options{Native: name == "native.sse"}
		got := streamed(t, options, events...)
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || got != string(want) {
			t.Errorf("%s, %v:\n%s\nwant\n%s", name, err, got, want)
		}
	}
}
