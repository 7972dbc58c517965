package responses

import (
	"fmt"
	"strings"
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

// BenchmarkDecode reads a turn of an agent with many tools and a long history.
func BenchmarkDecode(b *testing.B) {
	var body strings.Builder
	body.WriteString(`{"model":"fable","instructions":"You are a coding agent.","stream":true,"store":false,"tools":[`)
	for i := range 40 {
		fmt.Fprintf(&body, `{"type":"function","name":"tool_%d","description":"Does it.","strict":false,"parameters":{"type":"object","properties":{"a":{"type":"string"}}}},`, i)
	}
	body.WriteString(`{"type":"web_search"}],"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Look at it."}]}`)
	for i := range 100 {
		fmt.Fprintf(&body, `,{"type":"reasoning","summary":[{"type":"summary_text","text":"Hm."}],"encrypted_content":"carousel:anthropic:c2VhbA=="},`+
			`{"type":"function_call","name":"tool_1","arguments":"{\"a\":\"b\"}","call_id":"call_%d"},{"type":"function_call_output","call_id":"call_%d","output":"Exit code: 0"}`, i, i)
	}
	body.WriteString(`]}`)
	in := dialect.Incoming{Body: []byte(body.String()), RequestID: "r"}
	b.SetBytes(int64(len(in.Body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (API{}).decode(in); err != nil {
			b.Fatal(err)
		}
	}
}
