package anthropic_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/grammar"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/anthropic"
	"carousel.internal/gateway/internal/dialect/dialecttest"
	"carousel.internal/gateway/internal/upstream"
)

const requestID = "0123456789abcdef0123456789abcdef"

// asked is a request of the smallest form.
func asked() *chat.Request {
	return &chat.Request{
		ID: "msg_" + requestID, Created: time.Unix(1700000000, 0), Model: "fable",
		Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{{Text: "Hello?"}}}},
	}
}

// streamed is the stream that the events become, which the judge has found nothing in.
func streamed(t testing.TB, options grammar.Options, events ...chat.Event) string {
	t.Helper()
	var sink dialecttest.Recorder
	stream := anthropic.API{}.Stream(asked(), dialect.Options{}, &sink)
	for i, event := range events {
		event.More = i%2 == 1
		if err := stream.Event(event); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Done(); err != nil {
		t.Fatal(err)
	}
	wire := sink.Close()
	judge(t, options, wire)
	return string(wire)
}

func judge(t testing.TB, options grammar.Options, wire []byte) {
	t.Helper()
	if options.End == grammar.EitherEnd {
		options.End = grammar.Complete
	}
	stream := grammar.Messages.Stream(options)
	_, _ = stream.Write(wire)
	for _, violation := range stream.End() {
		t.Errorf("%s\n%s", violation, wire)
	}
}

// wholly is the whole answer that the events become.
func wholly(t testing.TB, options grammar.Options, events ...chat.Event) string {
	t.Helper()
	whole := anthropic.API{}.Whole(asked(), dialect.Options{})
	for _, event := range events {
		whole.Add(event)
	}
	body := whole.JSON()
	for _, violation := range grammar.Messages.Answer(body, options) {
		t.Errorf("%s\n%s", violation, body)
	}
	return string(body)
}

// flat are the events of an upstream that has no blocks.
func flat(t testing.TB, steps ...upstream.Flat) []chat.Event {
	t.Helper()
	var blocks upstream.Blocks
	var all []chat.Event
	for i := range steps {
		events, err := blocks.Events(&steps[i])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, events...)
	}
	return all
}

// frames are a stream's events: their names and data.
type frame struct {
	name string
	data string
}

func framesOf(wire string) []frame {
	var frames []frame
	for text := range strings.SplitSeq(wire, "\n\n") {
		name, data, ok := strings.Cut(text, "\ndata: ")
		if ok {
			frames = append(frames, frame{strings.TrimPrefix(name, "event: "), data})
		}
	}
	return frames
}

func namesOf(wire string) string {
	var names []string
	for _, frame := range framesOf(wire) {
		name := frame.name
		var data struct {
			Index   *int                  `json:"index"`
			Content struct{ Type string } `json:"content_block"`
			Delta   struct{ Type string } `json:"delta"`
		}
		if json.Unmarshal([]byte(frame.data), &data) == nil && data.Index != nil {
			name = strings.TrimPrefix(name, "content_block_") + string(rune('0'+*data.Index))
			if kind := data.Content.Type + data.Delta.Type; kind != "" {
				name += ":" + kind
			}
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func TestTextIsStreamed(t *testing.T) {
	t.Parallel()
	usage := &chat.Usage{Prompt: 12, Completion: 3, Source: chat.UsageReported}
	wire := streamed(t, grammar.Options{}, flat(t,
		upstream.Flat{}, upstream.Flat{Text: "Hel"}, upstream.Flat{Text: "lo."}, upstream.Flat{Finish: chat.Stop}, upstream.Flat{Usage: usage},
	)...)
	const want = "message_start start0:text delta0:text_delta delta0:text_delta stop0 message_delta message_stop"
	if got := namesOf(wire); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	frames := framesOf(wire)
	const end = `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":12,` +
		`"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":3}}`
	if got := frames[len(frames)-2].data; got != end {
		t.Errorf("%s\nwant %s", got, end)
	}
}

func TestWholeAnswer(t *testing.T) {
	t.Parallel()
	body := wholly(t, grammar.Options{}, flat(t,
		upstream.Flat{Reasoning: "Hm."}, upstream.Flat{Text: "Hello."},
		upstream.Flat{Calls: []upstream.CallPiece{{ID: "call_1", Name: "look", Arguments: `{"at":"it"}`}}},
		upstream.Flat{Finish: chat.CalledTools, Usage: &chat.Usage{Prompt: 12, CacheRead: 10, Completion: 3, Reasoning: 1}},
	)...)
	const want = `{"id":"msg_` + requestID + `","type":"message","role":"assistant","model":"fable","content":[` +
		`{"type":"thinking","thinking":"Hm.","signature":"carousel::"},{"type":"text","text":"Hello."},` +
		`{"type":"tool_use","id":"call_1","name":"look","input":{"at":"it"}}],"stop_reason":"tool_use","stop_sequence":null,` +
		`"usage":{"input_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":10,` +
		`"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":3,"output_tokens_details":{"thinking_tokens":1}}}`
	if body != want {
		t.Errorf("%s\nwant %s", body, want)
	}
}
