package upstreamsim

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"carousel.internal/gateway/grammar"
)

// rawMessage are the bytes of an answer.
func rawMessage(t *testing.T, body object) string {
	t.Helper()
	return string(record(New(Options{}), messagesRequest(t.Context(), t, "http://sim", messagesPath, body)).all())
}

func TestAnthropicOrders(t *testing.T) {
	t.Parallel()
	tools := object{"tools": list{toolOf("look"), toolOf("hear")}}
	for name, want := range map[string]struct {
		blocks string
		stop   string
	}{
		"one-call":             {"tool_use look", "tool_use"},
		"tool-call":            {"tool_use look, tool_use hear", "tool_use"},
		"reasoning-call":       {"thinking, tool_use look, tool_use hear", "tool_use"},
		"text-call-text-call":  {"text, tool_use look, text, tool_use hear", "tool_use"},
		"reasoning-text-call":  {"thinking, text, tool_use look", "tool_use"},
		"call-then-text":       {"tool_use look, text", "tool_use"},
		"call-empty-arguments": {"tool_use look", "tool_use"},
		"call-huge":            {"tool_use look", "tool_use"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := bothWays(t, New(Options{}), saying("claude-sim-"+name, hello, tools))
			var blocks []string
			for _, block := range got.Content {
				blocks = append(blocks, strings.TrimSpace(block.Type+" "+block.Name))
			}
			if strings.Join(blocks, ", ") != want.blocks || got.StopReason != want.stop {
				t.Errorf("got %q, %s", blocks, got.StopReason)
			}
			if without := bothWays(t, New(Options{}), saying("claude-sim-"+name, hello)); without.text() != hello {
				t.Errorf("without tools: %+v", without)
			}
		})
	}
}

func TestAnthropicHugeAndCutCalls(t *testing.T) {
	t.Parallel()
	tools := object{"tools": list{toolOf("look")}}
	huge := playBack(t, rawMessage(t, saying("sim-call-huge", hello, tools, streamed)))
	if size := len(huge.Content[0].Input); size < hugeInput {
		t.Errorf("the input has %d bytes", size)
	}
	cut := playBack(t, rawMessage(t, saying("sim-call-cut", hello, tools, streamed)))
	if got := string(cut.Content[0].Input); !strings.HasPrefix(got, `{"text":"Hello`) || json.Valid([]byte(got)) || cut.StopReason != "max_tokens" {
		t.Errorf("got %q, %s", got, cut.StopReason)
	}
}

func TestAnthropicHalfIsCached(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	whole, _ := sayTo(t, sim, saying("claude-x", hello))
	got, _ := sayTo(t, sim, saying("sim-cached", hello))
	if got.Usage.Read != whole.Usage.Input/2 || got.Usage.Input+got.Usage.Read != whole.Usage.Input {
		t.Errorf("got %+v of %+v", got.Usage, whole.Usage)
	}
}

// TestAnthropicStrays is about streams that the judge of clients does not let pass.
func TestAnthropicStrays(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]grammar.Rule{
		"no-finish": grammar.MessageDelta, "after-done": grammar.AfterEnd, "new-event": grammar.EventType,
	} {
		stream := grammar.Messages.Stream(grammar.Options{})
		_, _ = stream.Write([]byte(rawMessage(t, saying("sim-"+name, hello, streamed)))) // it never fails
		if broken := stream.End(); !slices.ContainsFunc(broken, func(v grammar.Violation) bool { return v.Rule == want }) {
			t.Errorf("%s: %v", name, broken)
		}
	}
	if got := rawMessage(t, saying("sim-stream-always", hello)); !playBack(t, got).ended {
		t.Errorf("a stream: %s", got)
	}
	if got := decodeReply(t, []byte(rawMessage(t, saying("sim-object-always", hello, streamed)))); got.text() != hello {
		t.Errorf("a message: %+v", got)
	}
	if got := decodeReply(t, []byte(rawMessage(t, saying("sim-no-finish", hello)))); got.text() != hello || got.StopReason != "" {
		t.Errorf("a message: %+v", got)
	}
}
