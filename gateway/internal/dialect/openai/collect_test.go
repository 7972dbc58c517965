package openai

import (
	"encoding/json"
	"testing"

	"carousel.internal/gateway/internal/chat"
)

func whole(text string) chat.Raw { return chat.Raw{Dialect: Dialect, JSON: []byte(text), Whole: true} }

func TestCollector(t *testing.T) {
	t.Parallel()
	const head = `{"id":"chatcmpl-1","object":"chat.completion","created":1763800000,"model":"up/gpt","choices":[{"index":0,"message":{"role":"assistant",`
	usage := &chat.Usage{Prompt: 3, Completion: 4}
	tests := map[string]struct {
		events []chat.Event
		want   string
	}{
		"text": {
			[]chat.Event{{}, {Text: "He said \""}, {Text: "hi\"\n"}, {Finish: chat.Stop}, {Usage: usage}},
			head + `"content":"He said \"hi\"\n","refusal":null},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`,
		},
		"nothing": {
			[]chat.Event{{Finish: chat.ContentFilter}},
			head + `"content":"","refusal":null},"finish_reason":"content_filter"}]}`,
		},
		"never finished": {
			[]chat.Event{{Text: "x"}},
			head + `"content":"x","refusal":null},"finish_reason":null}]}`,
		},
		"reasoning": {
			[]chat.Event{{Kind: chat.ReasoningBlock, Text: "a"}, {Kind: chat.ReasoningBlock, Text: "b"}, {Text: "c"}, {Finish: chat.Length}},
			head + `"content":"c","reasoning_content":"ab","refusal":null},"finish_reason":"length"}]}`,
		},
		"tool calls, their pieces mixed": {
			[]chat.Event{
				{Kind: chat.CallBlock, Open: &chat.Block{ID: "c0", Name: "f"}, Text: "{"},
				{Kind: chat.CallBlock, Text: "}", Close: true},
				{Kind: chat.CallBlock, Open: &chat.Block{Name: "g"}, Text: `{"a":1}`, Close: true},
				{Kind: chat.CallBlock, Open: &chat.Block{ID: "c2", Name: "h"}, Close: true},
				{Finish: chat.CalledTools},
			},
			head + `"content":null,"refusal":null,"tool_calls":[{"id":"c0","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"call_1","type":"function","function":{"name":"g","arguments":"{\"a\":1}"}},{"id":"c2","type":"function","function":{"name":"h","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}`,
		},
		"an upstream's chunks are read by their canonical fields": {
			[]chat.Event{{Text: "x", Raw: raw(`{"choices":[]}`)}, {Finish: chat.Stop, Raw: raw(`{}`)}},
			head + `"content":"x","refusal":null},"finish_reason":"stop"}]}`,
		},
		"an upstream's whole answer": {
			[]chat.Event{{Text: "x", Finish: chat.Stop, Usage: usage, Raw: whole(`{"id":"u","created":1, "model":"other","choices":[ {"message":{"content":"x","new":1}}],"usage":{"details":{"a":1}},"x":"y"}`)}},
			`{"id":"chatcmpl-1","created":1763800000, "model":"up/gpt","choices":[ {"message":{"content":"x","new":1}}],"usage":{"details":{"a":1}},"x":"y","object":"chat.completion"}`,
		},
		"an upstream's whole answer without counts": {
			[]chat.Event{{Text: "x", Finish: chat.Stop, Raw: whole(`{"id":"u","created":1,"model":"o","choices":[]}`)}, {Usage: usage}},
			`{"id":"chatcmpl-1","created":1763800000,"model":"up/gpt","choices":[],"object":"chat.completion","usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`,
		},
		"an upstream's whole answer with null for counts": {
			[]chat.Event{{Usage: usage, Raw: whole(`{"usage":null,"id":"u","created":1,"model":"o"}`)}},
			`{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7},"id":"chatcmpl-1","created":1763800000,"model":"up/gpt","object":"chat.completion"}`,
		},
		"a whole answer that is garbage": {
			[]chat.Event{{Text: "x", Finish: chat.Stop, Raw: whole(`{"id"`)}},
			head + `"content":"x","refusal":null},"finish_reason":"stop"}]}`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := NewCollector(streamRequest())
			for _, ev := range test.events {
				c.Add(ev)
				for i := range ev.Raw.JSON {
					ev.Raw.JSON[i] = '!' // the driver may reuse it
				}
			}
			got := string(c.JSON())
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("not JSON")
			}
			judgeWhole(t, test.events, got)
		})
	}
}

func BenchmarkCollectWhole(b *testing.B) {
	req := streamRequest()
	ev := chat.Event{Raw: whole(`{"id":"u","created":1,"model":"other","choices":[{"message":{"role":"assistant","content":"Hello there, how are you today?"}}],"usage":{"prompt_tokens":1}}`)}
	b.ReportAllocs()
	for b.Loop() {
		c := NewCollector(req)
		c.Add(ev)
		c.JSON()
	}
}
