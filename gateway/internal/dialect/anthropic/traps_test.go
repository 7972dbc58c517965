package anthropic_test

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"carousel.internal/gateway/grammar"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/anthropic"
	"carousel.internal/gateway/internal/dialect/dialecttest"
	"carousel.internal/gateway/internal/upstream"
)

// call is a piece of a call.
func call(index int, id, name, arguments string) upstream.Flat {
	return upstream.Flat{Calls: []upstream.CallPiece{{Index: index, ID: id, Name: name, Arguments: arguments}}}
}

func ends(reason chat.FinishReason) upstream.Flat { return upstream.Flat{Finish: reason} }

// What writers of this API have stumbled over, by flat upstreams' steps. Each stream is
// judged by the grammar as well.
func TestTrapsOfAnswers(t *testing.T) {
	t.Parallel()
	for _, trap := range []struct {
		name  string
		steps []upstream.Flat
		// names are the stream's events between message_start and message_delta.
		names string
		stop  string
		// has is in the stream, hasNot isn't.
		has, hasNot []string
	}{
		{
			name: "trap 01: two blocks share an index",
			steps: []upstream.Flat{
				{Text: "a"}, call(0, "c1", "look", `{}`), {Text: "b"}, call(1, "c2", "look", `{}`), ends(chat.CalledTools),
			},
			names: "start0:text delta0:text_delta stop0 start1:tool_use delta1:input_json_delta stop1 start2:text delta2:text_delta stop2 start3:tool_use delta3:input_json_delta stop3",
			stop:  "tool_use",
		},
		{
			name:  "trap 02: a delta before its block's start",
			steps: []upstream.Flat{{Text: "first of all"}, ends(chat.Stop)},
			names: "start0:text delta0:text_delta stop0",
			stop:  "end_turn",
		},
		{
			name:   "trap 03: the start has the input that the deltas repeat",
			steps:  []upstream.Flat{call(0, "c1", "look", `{"at":`), call(0, "", "", `"it"}`), ends(chat.CalledTools)},
			names:  "start0:tool_use delta0:input_json_delta delta0:input_json_delta stop0",
			stop:   "tool_use",
			has:    []string{`"name":"look","input":{}}`, `"partial_json":"{\"at\":"`},
			hasNot: []string{`"input":{"at"`},
		},
		{
			name:  "trap 04: the index stays from thinking to a call",
			steps: []upstream.Flat{{Reasoning: "Hm."}, call(0, "c1", "look", `{}`), ends(chat.CalledTools)},
			names: "start0:thinking delta0:thinking_delta delta0:signature_delta stop0 start1:tool_use delta1:input_json_delta stop1",
			stop:  "tool_use",
		},
		{
			name:  "trap 05: text stays open when thinking follows",
			steps: []upstream.Flat{{Text: "a"}, {Reasoning: "Hm."}, {Text: "b"}, ends(chat.Stop)},
			names: "start0:text delta0:text_delta stop0 start1:thinking delta1:thinking_delta delta1:signature_delta stop1 start2:text delta2:text_delta stop2",
			stop:  "end_turn",
		},
		{
			name:   "trap 06: input in a text block",
			steps:  []upstream.Flat{{Text: "a"}, {Reasoning: "Hm."}, ends(chat.Stop)},
			names:  "start0:text delta0:text_delta stop0 start1:thinking delta1:thinking_delta delta1:signature_delta stop1",
			stop:   "end_turn",
			has:    []string{`"content_block":{"type":"text","text":""}}`, `"content_block":{"type":"thinking","thinking":"","signature":""}}`},
			hasNot: []string{`"input":`},
		},
		{
			name:  "trap 07: no input in message_start",
			steps: []upstream.Flat{{Text: "a"}, {Finish: chat.Stop, Usage: &chat.Usage{Prompt: 1234, Completion: 5}}},
			names: "start0:text delta0:text_delta stop0",
			stop:  "end_turn",
			has:   []string{`"usage":{"input_tokens":9,`, `"usage":{"input_tokens":1234,`},
		},
		{
			name:   "trap 08: a call that was cut is mended",
			steps:  []upstream.Flat{call(0, "c1", "look", `{"at":"i`), ends(chat.Length)},
			names:  "start0:tool_use delta0:input_json_delta stop0",
			stop:   "max_tokens",
			has:    []string{`"partial_json":"{\"at\":\"i"`},
			hasNot: []string{`}"}}`},
		},
		{
			name:  "trap 09: cached tokens count twice",
			steps: []upstream.Flat{{Text: "a"}, {Finish: chat.Stop, Usage: &chat.Usage{Prompt: 1000, CacheRead: 900, Completion: 5}}},
			names: "start0:text delta0:text_delta stop0",
			stop:  "end_turn",
			has:   []string{`"usage":{"input_tokens":100,"cache_creation_input_tokens":0,"cache_read_input_tokens":900,`},
		},
		{
			name:  "trap 09: more is cached than was sent",
			steps: []upstream.Flat{{Text: "a"}, {Finish: chat.Stop, Usage: &chat.Usage{Prompt: 800, CacheRead: 900, Completion: 5}}},
			names: "start0:text delta0:text_delta stop0",
			stop:  "end_turn",
			has:   []string{`"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":900,`},
		},
		{
			name:  "trap 11: message_delta without usage",
			steps: []upstream.Flat{{Text: "a"}, ends(chat.Stop)},
			names: "start0:text delta0:text_delta stop0",
			stop:  "end_turn",
			has:   []string{`"stop_sequence":null},"usage":{"input_tokens":9,`},
		},
		{
			name:  "trap 12: calls, and end_turn",
			steps: []upstream.Flat{call(0, "c1", "look", `{}`), ends(chat.Stop)},
			names: "start0:tool_use delta0:input_json_delta stop0",
			stop:  "tool_use",
		},
		{
			name:  "trap 13: tool_use without a call",
			steps: []upstream.Flat{{Text: "a"}, ends(chat.CalledTools)},
			names: "start0:text delta0:text_delta stop0",
			stop:  "end_turn",
		},
		{
			name: "trap 14: thinking, text and a call at once",
			steps: []upstream.Flat{
				{Text: "a", Reasoning: "Hm.", Calls: []upstream.CallPiece{{ID: "c1", Name: "look", Arguments: `{}`}}}, ends(chat.CalledTools),
			},
			names: "start0:thinking delta0:thinking_delta delta0:signature_delta stop0 start1:text delta1:text_delta stop1 start2:tool_use delta2:input_json_delta stop2",
			stop:  "tool_use",
		},
		{
			name:   "trap 17: thinking is shown as the answer",
			steps:  []upstream.Flat{{Reasoning: "Hm."}, {Text: "a"}, ends(chat.Stop)},
			names:  "start0:thinking delta0:thinking_delta delta0:signature_delta stop0 start1:text delta1:text_delta stop1",
			stop:   "end_turn",
			has:    []string{`"thinking_delta","thinking":"Hm."`, `"text_delta","text":"a"`},
			hasNot: []string{`"text":"Hm."`},
		},
		{
			name:  "trap 20: a signature is forged",
			steps: []upstream.Flat{{Reasoning: "Hm."}, ends(chat.Stop)},
			names: "start0:thinking delta0:thinking_delta delta0:signature_delta stop0",
			stop:  "end_turn",
			has:   []string{`"signature":"carousel::"`},
		},
		{
			name:  "trap 43: no cache counts",
			steps: []upstream.Flat{{Text: "a"}, {Finish: chat.Stop, Usage: &chat.Usage{Prompt: 7, Completion: 5}}},
			names: "start0:text delta0:text_delta stop0",
			stop:  "end_turn",
			has:   []string{`"usage":{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":5}`},
		},
		{
			name: "calls that come in turns",
			steps: []upstream.Flat{
				call(0, "c1", "look", `{"a":`), call(1, "c2", "look", `{"b":`), call(0, "", "", `1}`), call(1, "", "", `2}`), ends(chat.CalledTools),
			},
			names: "start0:tool_use delta0:input_json_delta delta0:input_json_delta stop0 start1:tool_use delta1:input_json_delta delta1:input_json_delta stop1",
			stop:  "tool_use",
		},
		{
			name: "calls of one id, and of none",
			steps: []upstream.Flat{
				call(0, "c1", "look", `{}`), call(1, "c1", "look", `{}`), call(2, "", "look", `{}`), ends(chat.CalledTools),
			},
			names: "start0:tool_use delta0:input_json_delta stop0 start1:tool_use delta1:input_json_delta stop1 start2:tool_use delta2:input_json_delta stop2",
			stop:  "tool_use",
			has:   []string{`"id":"c1"`, `"id":"toolu_msg_` + requestID + `_1"`, `"id":"toolu_msg_` + requestID + `_2"`},
		},
		{
			name:   "a call without arguments, said as null",
			steps:  []upstream.Flat{call(0, "c1", "look", `null`), ends(chat.CalledTools)},
			names:  "start0:tool_use stop0",
			stop:   "tool_use",
			hasNot: []string{"partial_json"},
		},
		{
			name: "a call of free text",
			steps: []upstream.Flat{
				{Calls: []upstream.CallPiece{{ID: "c1", Name: "patch", Custom: true, Arguments: "a \"b\"\n"}}}, ends(chat.CalledTools),
			},
			names: "start0:tool_use delta0:input_json_delta delta0:input_json_delta delta0:input_json_delta stop0",
			stop:  "tool_use",
			has:   []string{`"partial_json":"{\"input\":\""`, `"partial_json":"a \\\"b\\\"\\n"`, `"partial_json":"\"}"`},
		},
		{
			name:  "an answer of nothing",
			steps: []upstream.Flat{{}, ends(chat.Stop)},
			stop:  "end_turn",
		},
		{
			name:  "a refusal in words",
			steps: []upstream.Flat{{Refusal: "I won't."}, ends(chat.Stop)},
			names: "start0:text delta0:text_delta stop0",
			stop:  "refusal",
			has:   []string{`"stop_details":{"type":"refusal","category":null,"explanation":null}`},
		},
	} {
		t.Run(trap.name, func(t *testing.T) {
			t.Parallel()
			wire := streamed(t, grammar.Options{}, flat(t, trap.steps...)...)
			names := strings.Join(strings.Fields("message_start "+trap.names+" message_delta message_stop"), " ")
			if got := namesOf(wire); got != names {
				t.Errorf("%s\nwant %s", got, names)
			}
			if !strings.Contains(wire, `"stop_reason":"`+trap.stop+`"`) {
				t.Errorf("the stop reason is not %s:\n%s", trap.stop, wire)
			}
			for _, text := range trap.has {
				if !strings.Contains(wire, text) {
					t.Errorf("no %s in\n%s", text, wire)
				}
			}
			for _, text := range trap.hasNot {
				if strings.Contains(wire, text) {
					t.Errorf("%s in\n%s", text, wire)
				}
			}
			var whole struct {
				Reason string `json:"stop_reason"`
			}
			body := wholly(t, grammar.Options{}, flat(t, trap.steps...)...)
			if err := json.Unmarshal([]byte(body), &whole); err != nil || whole.Reason != trap.stop {
				t.Errorf("whole: %v\n%s", err, body)
			}
		})
	}
}

func TestStopReasons(t *testing.T) {
	t.Parallel()
	tool := call(0, "c1", "look", `{}`)
	for _, c := range []struct {
		name   string
		before upstream.Flat
		finish chat.FinishReason
		text   string
		want   string
	}{
		{"a natural end", upstream.Flat{Text: "a"}, chat.Stop, "", `"end_turn","stop_sequence":null`},
		{"a stop text", upstream.Flat{Text: "a"}, chat.StoppedAt, "END", `"stop_sequence","stop_sequence":"END"`},
		{"a stop text that nobody knows", upstream.Flat{Text: "a"}, chat.StoppedAt, "", `"end_turn","stop_sequence":null`},
		{"the limit", upstream.Flat{Text: "a"}, chat.Length, "", `"max_tokens","stop_sequence":null`},
		{"the limit, behind a call", tool, chat.Length, "", `"max_tokens","stop_sequence":null`},
		{"the window", upstream.Flat{Text: "a"}, chat.WindowFull, "", `"model_context_window_exceeded","stop_sequence":null`},
		{"a filter", upstream.Flat{Text: "a"}, chat.ContentFilter, "", `"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":null,"explanation":null}`},
		{"a refusal", upstream.Flat{}, chat.Refused, "", `"refusal","stop_sequence":null,"stop_details":`},
		{"a pause", upstream.Flat{Text: "a"}, chat.Paused, "", `"pause_turn","stop_sequence":null`},
		{"a stop text behind a call", tool, chat.StoppedAt, "END", `"tool_use","stop_sequence":null`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			events := append(flat(t, c.before), chat.Event{Block: 0, Close: true, Kind: chat.TextBlock}, chat.Event{Finish: c.finish, StopText: c.text})
			if c.before.Calls != nil {
				events[len(events)-2].Kind = chat.CallBlock
			}
			for form, answer := range map[string]string{
				"streamed": streamed(t, grammar.Options{}, events...), "whole": wholly(t, grammar.Options{}, events...),
			} {
				if !strings.Contains(answer, `"stop_reason":`+c.want) {
					t.Errorf("%s: no %s in\n%s", form, c.want, answer)
				}
			}
		})
	}
}

// trap 16: an upstream is silent. Before the stream's first event nothing but a comment may
// be sent; after it a ping is, which clients take for a sign of life.
func TestTrap16Pings(t *testing.T) {
	t.Parallel()
	sink := dialecttest.Recorder{Beat: func() string { return ": still here\n" }}
	stream := anthropic.API{}.Stream(asked(), dialect.Options{}, &sink)
	sink.Silence()
	events := flat(t, upstream.Flat{Text: "a"}, ends(chat.Stop))
	for _, event := range events {
		_ = stream.Event(event)
		sink.Silence()
	}
	_ = stream.Done()
	wire := sink.Close()
	judge(t, grammar.Options{}, wire)
	if !strings.HasPrefix(string(wire), ": still here\nevent: message_start") || strings.Count(string(wire), "event: ping\ndata: {\"type\": \"ping\"}\n\n") != len(events) {
		t.Errorf("%s", wire)
	}
}

// trap 15: what the vendor's own tools did keeps its place among the blocks.
func TestTrap15OwnBlocks(t *testing.T) {
	t.Parallel()
	const found = `{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]}`
	own := func(maker string) *chat.Block {
		return &chat.Block{Opaque: &chat.Opaque{Dialect: maker, Type: "web_search_tool_result", JSON: []byte(found)}}
	}
	events := []chat.Event{
		{Block: 0, Kind: chat.TextBlock, Open: &chat.Block{}, Text: "a", Close: true},
		{Block: 1, Kind: chat.OpaqueBlock, Open: own(anthropic.Dialect), Close: true},
		{Block: 2, Kind: chat.OpaqueBlock, Open: own("another"), Close: true},
		{Block: 3, Kind: chat.TextBlock, Open: &chat.Block{}, Text: "b", Close: true},
		{Finish: chat.Stop},
	}
	wire := streamed(t, grammar.Options{}, events...)
	const want = "message_start start0:text delta0:text_delta stop0 start1:web_search_tool_result stop1 start2:text delta2:text_delta stop2 message_delta message_stop"
	if got := namesOf(wire); got != want || !strings.Contains(wire, found) {
		t.Errorf("%s\nwant %s\n%s", got, want, wire)
	}
	if body := wholly(t, grammar.Options{}, events...); strings.Count(body, found) != 1 {
		t.Errorf("%s", body)
	}
}

// What an upstream of another API wants back with a call comes back with its id, for which
// clients have a place. Nobody can put something else in its place.
func TestTrap23Extras(t *testing.T) {
	t.Parallel()
	const extra = `"extra_content":{"google":{"thought_signature":"s/+="}},"x":[1]`
	events := []chat.Event{
		{Kind: chat.CallBlock, Open: &chat.Block{ID: "c_1", Name: "f", Extra: &chat.Opaque{Dialect: "openai", JSON: []byte(extra)}}, Text: `{}`, Close: true},
		{Block: 1, Kind: chat.CallBlock, Open: &chat.Block{ID: "c_2", Name: "f"}, Text: `{}`, Close: true},
		{Finish: chat.CalledTools},
	}
	var answer struct {
		Content []struct{ ID string }
	}
	body := wholly(t, grammar.Options{}, events...)
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Content) != 2 || answer.Content[1].ID != "c_2" {
		t.Fatalf("%v\n%s", err, body)
	}
	given := answer.Content[0].ID
	if !regexp.MustCompile(`^[a-zA-Z0-9_-]+$`).MatchString(given) { // the API's rule
		t.Errorf("the id %q", given)
	}
	if wire := streamed(t, grammar.Options{}, events...); !strings.Contains(wire, `"id":"`+given+`"`) {
		t.Errorf("streamed: no %s in\n%s", given, wire)
	}
	forged := func(members string) string {
		return "c_1_carousel_openai_" + base64.RawURLEncoding.EncodeToString([]byte(members))
	}
	for id, want := range map[string]struct{ id, extra string }{
		given:                      {"c_1", extra},
		"c_2":                      {"c_2", ""},
		forged(`"x":1`):            {"c_1", `"x":1`},
		forged(`"x":1},{"y":1`):    {forged(`"x":1},{"y":1`), ""},
		forged(`"x":`):             {forged(`"x":`), ""},
		forged("\"x\":\"\xff\""):   {forged("\"x\":\"\xff\""), ""},
		forged(""):                 {forged(""), ""},
		"c_1_carousel_openai_?":    {"c_1_carousel_openai_?", ""},
		"_carousel_openai_IngiOjE": {"_carousel_openai_IngiOjE", ""},
	} {
		back := decoded(t, said(`{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"`+id+`","name":"f","input":{}}]},`+
			`{"role":"user","content":[{"type":"tool_result","tool_use_id":"`+id+`","content":"ok"}]}`))
		call, got := back.Messages[1].Parts[0].Call, ""
		if call.Extra != nil && call.Extra.Dialect == "openai" {
			got = string(call.Extra.JSON)
		}
		if call.ID != want.id || got != want.extra || back.Messages[2].Parts[0].Result.CallID != want.id || back.HistoryFault != nil {
			t.Errorf("%s: back comes %q with %q", id, call.ID, got)
		}
	}
}

// Reasoning comes back as it was given, whoever made it; only the vendor's own is shown as
// the vendor's.
func TestTrap20Seals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		reasoning chat.Reasoning
		shown     string
	}{
		{"the vendor's", chat.Reasoning{Text: "Hm.", Seal: "c2ln", Maker: "anthropic"}, `"signature":"c2ln"`},
		{"the vendor's, hidden", chat.Reasoning{Seal: "ZGF0YQ", Maker: "anthropic", Redacted: true}, `{"type":"redacted_thinking","data":"ZGF0YQ"}`},
		{"another's, sealed", chat.Reasoning{Text: "Hm.", Seal: "a:b", Maker: "openai"}, `"signature":"carousel:openai:a:b"`},
		{"another's, hidden", chat.Reasoning{Seal: "a:b", Maker: "openai", Redacted: true}, `"signature":"carousel:openai:a:b"`},
		{"nobody's", chat.Reasoning{Text: "Hm."}, `"signature":"carousel::"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			open := chat.Event{Kind: chat.ReasoningBlock, Open: &chat.Block{Redacted: c.reasoning.Redacted}, Text: c.reasoning.Text}
			last := chat.Event{Kind: chat.ReasoningBlock, Close: true}
			if c.reasoning.Seal != "" {
				last.Seal = &chat.Seal{Data: c.reasoning.Seal, Maker: c.reasoning.Maker}
			}
			events := []chat.Event{open, last, {Finish: chat.Stop}}
			if wire := streamed(t, grammar.Options{}, events...); !strings.Contains(wire, c.shown) {
				t.Errorf("no %s in\n%s", c.shown, wire)
			}
			var answer struct{ Content json.RawMessage }
			body := wholly(t, grammar.Options{}, events...)
			if err := json.Unmarshal([]byte(body), &answer); err != nil || !strings.Contains(body, c.shown) {
				t.Fatalf("%v\n%s", err, body)
			}
			back := decoded(t, said(`{"role":"user","content":"Hi"},{"role":"assistant","content":`+string(answer.Content)+`}`))
			got := back.Messages[1].Parts[0].Reasoning
			if got == nil || *got != c.reasoning {
				t.Errorf("back comes %+v, want %+v", got, c.reasoning)
			}
		})
	}
}

// An answer of which an upstream has sent the beginning in the client's dialect can be ended
// without it.
func TestAnEndOfOnesOwn(t *testing.T) {
	t.Parallel()
	events := native(asked())[:4]
	events = append(events, chat.Event{Kind: chat.TextBlock, Text: "!"}, chat.Event{Kind: chat.TextBlock, Close: true},
		chat.Event{Finish: chat.StoppedAt, StopText: "END", Usage: &chat.Usage{Prompt: 9, Completion: 3}})
	wire := streamed(t, grammar.Options{}, events...)
	const want = "message_start start0:text ping delta0:text_delta delta0:text_delta stop0 message_delta message_stop"
	if got := namesOf(wire); got != want || !strings.Contains(wire, `"stop_reason":"stop_sequence","stop_sequence":"END"`) {
		t.Errorf("%s\nwant %s\n%s", got, want, wire)
	}
}

// The client asked for one model, whatever the upstream calls it.
func TestTheModelsNameIsTheClients(t *testing.T) {
	t.Parallel()
	events := native(&chat.Request{Model: "the-upstreams-20250929"})
	wire := streamed(t, grammar.Options{Native: true}, events...)
	if strings.Contains(wire, "the-upstreams") || !strings.Contains(wire, `"message":{"model":"fable","id":"msg_own"`) {
		t.Errorf("%s", wire)
	}
	whole := anthropic.API{}.Whole(asked(), dialect.Options{})
	whole.Add(chat.Event{Raw: chat.Raw{Dialect: anthropic.Dialect, Whole: true, JSON: []byte(`{"id":"msg_own", "content":[{"model":"x"}],"model" :"the-upstreams"}`)}})
	if got := string(whole.JSON()); got != `{"id":"msg_own", "content":[{"model":"x"}],"model" :"fable"}` {
		t.Errorf("%s", got)
	}
}

// A piece of text costs no memory: answers have thousands of them.
func TestAPieceOfTextAllocatesNothing(t *testing.T) {
	sink := discard{}
	stream := anthropic.API{}.Stream(asked(), dialect.Options{}, sink)
	_ = stream.Event(chat.Event{Kind: chat.TextBlock, Open: &chat.Block{}, Text: "The beginning of a longer answer"})
	piece := chat.Event{Kind: chat.TextBlock, Text: " and \"more\" of it"}
	if got := testing.AllocsPerRun(100, func() { _ = stream.Event(piece) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
	own := chat.Event{Kind: chat.TextBlock, Text: "x", Raw: raw(`{"type": "content_block_delta", "index":0,"delta":{"type":"text_delta","text":"x"}}`)}
	stream = anthropic.API{}.Stream(asked(), dialect.Options{}, sink)
	for _, event := range native(asked())[:2] {
		_ = stream.Event(event)
	}
	if got := testing.AllocsPerRun(100, func() { _ = stream.Event(own) }); got > 0 {
		t.Errorf("%v allocations for one that is passed on", got)
	}
}

type discard struct{}

func (discard) Event(string, []byte, bool) error { return nil }
func (discard) Flush() error                     { return nil }
func (discard) Heartbeat(func() string)          {}

func BenchmarkTextDelta(b *testing.B) {
	stream := anthropic.API{}.Stream(asked(), dialect.Options{}, discard{})
	_ = stream.Event(chat.Event{Kind: chat.TextBlock, Open: &chat.Block{}, Text: "The"})
	piece := chat.Event{Kind: chat.TextBlock, Text: " next"}
	b.ReportAllocs()
	for b.Loop() {
		_ = stream.Event(piece)
	}
}

func BenchmarkDecode(b *testing.B) {
	in := dialect.Incoming{Body: []byte(claudeCode), RequestID: requestID}
	b.ReportAllocs()
	b.SetBytes(int64(len(in.Body)))
	for b.Loop() {
		if _, err := (anthropic.API{}).Decode(in); err != nil {
			b.Fatal(err)
		}
	}
}
