package anthropic

import (
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

// nowhere is a sink that drops what it gets.
type nowhere struct{}

func (nowhere) Event(string, []byte, bool) error { return nil }
func (nowhere) Flush() error                     { return nil }
func (nowhere) Heartbeat(func() string)          {}

// passing is a stream of an upstream's own events, in the middle of a text, and its next
// event.
func passing(tb testing.TB) (dialect.Stream, chat.Event) {
	tb.Helper()
	answer := API{}.Stream(&chat.Request{Model: "claude", ID: "r"}, dialect.Options{}, nowhere{})
	start := chat.Event{Open: &chat.Block{}, Raw: chat.Raw{Dialect: Dialect, Name: "content_block_start", JSON: []byte(`{"type":"content_block_start"}`)}}
	if err := answer.Event(start); err != nil {
		tb.Fatal(err)
	}
	return answer, chat.Event{Text: " world", Raw: chat.Raw{
		Dialect: Dialect, Name: "content_block_delta",
		JSON: []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" world"}}`),
	}}
}

// What is passed on costs no memory.
func TestPassingOnAllocatesNothing(t *testing.T) {
	answer, event := passing(t)
	if allocations := testing.AllocsPerRun(100, func() { _ = answer.Event(event) }); allocations > 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func BenchmarkPass(b *testing.B) {
	answer, event := passing(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := answer.Event(event); err != nil {
			b.Fatal(err)
		}
	}
}
