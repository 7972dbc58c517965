package responses

import (
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
)

// nowhere is a sink that drops what it gets.
type nowhere struct{}

func (nowhere) Event(string, []byte, bool) error { return nil }
func (nowhere) Flush() error                     { return nil }
func (nowhere) Heartbeat(func() string)          {}

// speaking is a stream in the middle of a text, and its next event: composed, or passed on.
func speaking(tb testing.TB, native bool) (dialect.Stream, chat.Event) {
	tb.Helper()
	request := &chat.Request{Model: "fable", ID: "resp_r", Created: time.Unix(1, 0), Source: chat.Source{Header: map[string][]string{"Originator": {"codex"}}}}
	answer := API{}.Stream(request, dialect.Options{}, nowhere{})
	start, next := chat.Event{Open: &chat.Block{}, Text: "Hello"}, chat.Event{Text: " world"}
	if native {
		start.Raw = chat.Raw{Dialect: Dialect, Name: "response.created", JSON: []byte(`{"type":"response.created","sequence_number":0,"response":{"id":"r","model":"m"}}`)}
		next.Raw = chat.Raw{
			Dialect: Dialect, Name: "response.output_text.delta",
			JSON: []byte(`{"type":"response.output_text.delta","sequence_number":5,"item_id":"msg_1","output_index":0,"content_index":0,"delta":" world","logprobs":[]}`),
		}
	}
	if err := answer.Event(start); err != nil {
		tb.Fatal(err)
	}
	return answer, next
}

// What is passed on costs no memory, and a composed piece none but that of the whole text.
func TestPiecesAllocateLittle(t *testing.T) {
	for _, native := range []bool{true, false} {
		answer, event := speaking(t, native)
		if allocations := testing.AllocsPerRun(1000, func() { _ = answer.Event(event) }); allocations > 0 {
			t.Errorf("native %t: %v allocations", native, allocations)
		}
	}
}

func BenchmarkDelta(b *testing.B) {
	for name, native := range map[string]bool{"composed": false, "native": true} {
		b.Run(name, func(b *testing.B) {
			answer, event := speaking(b, native)
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if n%10_000 == 9_999 {
					answer, event = speaking(b, native)
				}
				if err := answer.Event(event); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
