package anthropic

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// frames are the events of an answer, of which the type is given and the rest is JSON members.
func frames(each ...string) string {
	body := ""
	for _, one := range each {
		kind, members, _ := strings.Cut(one, " ")
		body += string(frameOf(kind, members))
	}
	return body
}

const (
	beginning = `message_start "message":{"type":"message","usage":{"input_tokens":5,"output_tokens":1}}`
	ending    = `message_delta "delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}`
	end       = `message_stop`
)

func startOf(index, block string) string {
	return `content_block_start "index":` + index + `,"content_block":` + block
}

func textPiece(index, text string) string {
	return `content_block_delta "index":` + index + `,"delta":{"type":"text_delta","text":` + quoted(text) + `}`
}

func inputPiece(index, text string) string {
	return `content_block_delta "index":` + index + `,"delta":{"type":"input_json_delta","partial_json":` + quoted(text) + `}`
}

func stopOf(index string) string { return `content_block_stop "index":` + index }

// Answers that stray from the API say in blocks what they mean.
func TestAnswersThatStray(t *testing.T) {
	t.Parallel()
	const text, toolA, toolB = `{"type":"text","text":""}`, `{"type":"tool_use","id":"a","name":"A","input":{}}`, `{"type":"tool_use","id":"b","name":"B","input":{}}`
	for name, test := range map[string]struct{ body, want string }{
		"calls in turns": {frames(beginning, startOf("0", toolA), startOf("1", toolB), inputPiece("0", `{"x"`), inputPiece("1", `{"y"`),
			inputPiece("0", `:1}`), inputPiece("1", `:2}`), stopOf("1"), stopOf("0"), ending, end), `2A({"x":1})2B({"y":2}) stop`},
		"calls in turns, and a text": {frames(beginning, startOf("0", toolA), startOf("1", text), inputPiece("0", `{`), textPiece("1", "so"),
			startOf("2", toolB), inputPiece("0", `}`), stopOf("0"), stopOf("1"), stopOf("2"), ending, end), `2A({})0(so)2B() stop`},
		"texts in turns": {
			frames(beginning, startOf("0", text), startOf("1", text), textPiece("0", "a"), textPiece("1", "b"), ending, end),
			`0()0()0(a)0(b) stop`,
		},
		"blocks that never stop":          {frames(beginning, startOf("0", text), textPiece("0", "a"), startOf("1", toolA), inputPiece("1", `{}`), startOf("2", toolB), ending, end), `0(a)2A({})2B() stop`},
		"the same index twice":            {frames(beginning, startOf("0", toolA), inputPiece("0", `{"x":1}`), startOf("0", toolB), inputPiece("0", `{"y":2}`), stopOf("0"), ending, end), `2A({"x":1})2B({"y":2}) stop`},
		"no index at all":                 {frames(beginning, `content_block_start "content_block":`+text, `content_block_delta "delta":{"type":"text_delta","text":"a"}`, `content_block_stop`, ending, end), `0(a) stop`},
		"pieces without a start":          {frames(beginning, textPiece("0", "a"), textPiece("0", "b"), ending, end), `0(ab) stop`},
		"trap 3: input in start":          {frames(beginning, startOf("0", `{"type":"tool_use","id":"a","name":"A","input":{"x":1}}`), stopOf("0"), ending, end), `2A({"x":1}) stop`},
		"trap 3: input in both":           {frames(beginning, startOf("0", `{"type":"tool_use","id":"a","name":"A","input":{"x":1}}`), inputPiece("0", ""), inputPiece("0", `{"x":1}`), stopOf("0"), ending, end), `2A({"x":1}) stop`},
		"thoughts sealed at once":         {frames(beginning, startOf("0", `{"type":"thinking","thinking":"Hm","signature":"s"}`), stopOf("0"), ending, end), `1(Hm~s@anthropic) stop`},
		"a piece of a kind of its own":    {frames(beginning, startOf("0", text), `content_block_delta "index":0,"delta":{"type":"citations_delta","citation":{}}`, textPiece("0", "a"), stopOf("0"), ending, end), `0(a) stop`},
		"no reason":                       {frames(beginning, startOf("0", text), textPiece("0", "a"), stopOf("0"), `message_delta "delta":{"stop_reason":null},"usage":{"output_tokens":9}`, end), `0(a) stop`},
		"a reason of its own":             {frames(beginning, textPiece("0", "a"), `message_delta "delta":{"stop_reason":"bored"}`, end), `0(a) stop`},
		"no end but its mark":             {frames(beginning, textPiece("0", "a"), end), `0(a) stop`},
		"two beginnings":                  {frames(beginning, beginning, textPiece("0", "a"), ending, end), `0(a) stop`},
		"no beginning":                    {frames(textPiece("0", "a"), ending, end), `0(a) stop`},
		"more after the end":              {frames(beginning, textPiece("0", "a"), ending, textPiece("0", "b"), startOf("1", text), stopOf("1"), ending, end), `0(a) stop`},
		"signs of life of other APIs":     {"data: null\n\n" + frames(beginning, textPiece("0", "a")) + "data: [DONE]\n\nevent: ping\ndata:\n\n" + frames(ending, end), `0(a) stop`},
		"frames without names":            {strings.ReplaceAll(strings.ReplaceAll(frames(beginning, textPiece("0", "a"), ending, end), "event: message", "x: "), "event: content", "x: "), `0(a) stop`},
		"members in another order":        {"event: content_block_delta\ndata: {\"delta\":{\"text\":\"a\",\"type\":\"text_delta\"},\"index\":0,\"type\":\"content_block_delta\"}\n\n" + frames(ending, end), `0(a) stop`},
		"lines inside of JSON":            {"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\ndata: \"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n" + frames(ending, end), `0(a) stop`},
		"cut characters and every escape": {frames(beginning, `content_block_delta "index":0,"delta":{"type":"text_delta","text":"\ud83d\ude00\u0000\"\\"}`, `content_block_delta "index":0,"delta":{"type":"text_delta","text":"\ud83d"}`, ending, end), "0(😀\x00\"\\\uFFFD) stop"},
		"trap 8: cut arguments":           {frames(beginning, startOf("0", toolA), inputPiece("0", `{"x":`), `message_delta "delta":{"stop_reason":"max_tokens"}`, end), `2A({"x":) length`},
	} {
		for _, native := range []bool{true, false} {
			driver, _ := serve(t, 200, "text/event-stream", test.body, nil)
			call := nativeCall(`{"model":"claude"}`, true)
			if !native {
				call = translatedCall(chat.Request{Stream: true, Messages: []chat.Message{textOf(chat.User, "Hi")}})
			}
			events, failure := gather(t.Context(), t, driver, call)
			if failure != nil || outline(events) != test.want {
				t.Errorf("%s: got %s, %v", name, outline(events), failure)
			}
			for _, event := range events {
				if len(event.Raw.JSON) > 0 && event.Raw.Name == "" {
					t.Errorf("%s: %s has no name", name, event.Raw.JSON)
				}
			}
		}
	}
}

// Arguments that belong to no call are no answer for a client that is told calls; one of the
// same dialect gets them as they came.
func TestArgumentsWithoutACall(t *testing.T) {
	t.Parallel()
	body := frames(beginning, inputPiece("0", `{}`), textPiece("1", "a"), ending, end)
	driver, _ := serve(t, 200, "text/event-stream", body, nil)
	if events, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, true)); failure != nil || outline(events) != `0(a) stop` {
		t.Errorf("native: %s, %v", outline(events), failure)
	}
	_, failure := gather(t.Context(), t, driver, translatedCall(chat.Request{Stream: true, Messages: []chat.Message{textOf(chat.User, "Hi")}}))
	if failure == nil || failure.Class != upstream.Truncated || !strings.Contains(failure.Message, "arguments") {
		t.Errorf("translated: %v", failure)
	}
}

// What the vendor's own tools are asked comes in pieces too.
func TestBlocksWithoutACanonicalFormAreWhole(t *testing.T) {
	t.Parallel()
	driver, _ := serve(t, 200, "text/event-stream", frames(beginning, startOf("0", `{"type":"server_tool_use","id":"s","name":"web_search","input":{}}`),
		inputPiece("0", `{"query":`), inputPiece("0", `"x"}`), stopOf("0"), ending, end), nil)
	events, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, false))
	if failure != nil {
		t.Fatal(failure)
	}
	const want = `{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"x"}}`
	for _, event := range events {
		if event.Open != nil && string(event.Open.Opaque.JSON) != want {
			t.Errorf("got %s", event.Open.Opaque.JSON)
		}
	}
}

func TestCountsThatStray(t *testing.T) {
	t.Parallel()
	of := func(prompt, read, write, hour, completion int) chat.Usage {
		return chat.Usage{Prompt: prompt, CacheRead: read, CacheWrite: write, CacheWriteHour: hour, Completion: completion, Source: chat.UsageReported}
	}
	for name, test := range map[string]struct {
		start, delta string
		want         chat.Usage
	}{
		"at the end alone":           {`{"input_tokens":0,"output_tokens":0}`, `{"input_tokens":7,"cache_read_input_tokens":3,"output_tokens":2}`, of(10, 3, 0, 0, 2)},
		"an end that has forgotten":  {`{"input_tokens":7,"cache_read_input_tokens":3}`, `{"input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}`, of(10, 3, 0, 0, 2)},
		"an estimate, then the true": {`{"input_tokens":100}`, `{"input_tokens":7,"output_tokens":2}`, of(7, 0, 0, 0, 2)},
		"null and words":             {`{"input_tokens":7,"cache_read_input_tokens":null,"cache_creation":null,"output_tokens":"many"}`, `{"input_tokens":null,"output_tokens":2}`, of(7, 0, 0, 0, 2)},
		"below 0, and fractions":     {`{"input_tokens":-7}`, `{"input_tokens":1.9,"output_tokens":2e1}`, of(1, 0, 0, 0, 20)},
		"written, by lifetimes":      {`{"input_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":4}}`, `{"output_tokens":2}`, of(7, 0, 6, 4, 2)},
		"more than there is":         {`{"input_tokens":9223372036854775807,"cache_read_input_tokens":9e99}`, `{"output_tokens":2}`, of(2<<40, 1<<40, 0, 0, 2)},
	} {
		driver, _ := serve(t, 200, "text/event-stream", frames(`message_start "message":{"usage":`+test.start+`}`, textPiece("0", "a"),
			`message_delta "delta":{"stop_reason":"end_turn"},"usage":`+test.delta, end), nil)
		events, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, true))
		if failure != nil {
			t.Errorf("%s: %v", name, failure)
			continue
		}
		for _, event := range events {
			if event.Usage != nil && *event.Usage != test.want {
				t.Errorf("%s: got %+v, want %+v", name, *event.Usage, test.want)
			}
		}
	}
}

// What has packed an answer need not say so.
func TestPackedWithoutAWord(t *testing.T) {
	t.Parallel()
	packed := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
		return b.String()
	}
	for name, body := range map[string]string{"stream": packed(stream), "twice": packed(packed(stream))} {
		driver, _ := serve(t, 200, "text/event-stream", body, nil)
		if events, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, true)); failure != nil || outline(events) != spoken {
			t.Errorf("%s: %s, %v", name, outline(events), failure)
		}
	}
	driver, _ := serve(t, 529, "application/json", packed(string(errorBody("overloaded_error", "Overloaded"))), nil)
	if _, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, true)); failure == nil || failure.Message != "Overloaded" {
		t.Errorf("an error: %v", failure)
	}
}

// A ping may come before anything else: what the client is to see of the header comes with it.
func TestHeaderComesWithTheFirstEvent(t *testing.T) {
	t.Parallel()
	driver, _ := serve(t, 200, "text/event-stream", frames("ping", beginning, textPiece("0", "a"), ending, end), map[string][]string{"Request-Id": {"req_1"}})
	events, failure := gather(t.Context(), t, driver, nativeCall(`{"model":"claude"}`, true))
	if failure != nil || events[0].Begin == nil || events[0].Begin.Header["Request-Id"][0] != "req_1" || events[1].Begin == nil || events[1].Begin.Input.Prompt != 5 {
		t.Errorf("%+v, %v", events, failure)
	}
}

// Frames may be read by what they have in common with the one before: that says the same as
// reading each of them.
func FuzzShape(f *testing.F) {
	f.Add([]byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}`), []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"b\n"}}`))
	f.Add([]byte(`{"type":"content_block_delta","delta":{"text":12345}}`), []byte(`{"type":"content_block_delta","delta":{"text":1x5}}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var learned shape
		var alone frame
		learned.parse(first)
		got, ok := learned.parse(second)
		if want := alone.parse(second); ok != want || ok && (got.kind != alone.kind || got.index != alone.index || got.kindOfDelta != alone.kindOfDelta || got.text != alone.text) {
			t.Errorf("%q after %q: %+v, %t; alone: %+v, %t", second, first, got, ok, alone, want)
		}
	})
}
