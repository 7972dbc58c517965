package responses_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/grammar"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/dialecttest"
	"carousel.internal/gateway/internal/dialect/responses"
	"carousel.internal/gateway/internal/upstream"
)

const requestID = "0123456789abcdef0123456789abcdef"

var received = time.Unix(1_700_000_000, 0)

// api completes each answer three seconds after its request.
var api = responses.API{Now: func() time.Time { return received.Add(3 * time.Second) }}

// codexHeader is what Codex sends.
var codexHeader = http.Header{"Originator": {"codex_cli_rs"}, "User-Agent": {"codex_cli_rs/0.147.0"}, "Session-Id": {"thread"}}

// decoded is a request with these fields beside its model.
func decoded(t testing.TB, header http.Header, fields string) *chat.Request {
	t.Helper()
	request, err := api.Decode(dialect.Incoming{Body: []byte(`{"model":"fable",` + fields + `}`), Header: header, RequestID: requestID, Received: received})
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// streamed is the stream that the events become.
func streamed(t testing.TB, request *chat.Request, events ...chat.Event) string {
	t.Helper()
	var sink dialecttest.Recorder
	stream := api.Stream(request, dialect.Options{}, &sink)
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
	judge := grammar.Responses.Stream(grammar.Options{End: grammar.Complete, Native: len(events) > 0 && events[0].Raw.JSON != nil})
	_, _ = judge.Write(wire)
	for _, violation := range judge.End() {
		t.Errorf("%s\n%s", violation, wire)
	}
	return string(wire)
}

// wholly is the whole answer that the events become.
func wholly(t testing.TB, request *chat.Request, events ...chat.Event) string {
	t.Helper()
	whole := api.Whole(request, dialect.Options{})
	for _, event := range events {
		whole.Add(event)
	}
	return string(whole.JSON())
}

// both is an answer that says the same as a stream and as a whole.
func both(t testing.TB, request *chat.Request, events ...chat.Event) *wireResponse {
	t.Helper()
	answer := strictly(t, streamed(t, request, events...))
	var whole wireResponse
	body := wholly(t, request, events...)
	if err := json.Unmarshal([]byte(body), &whole); err != nil {
		t.Fatal(err)
	}
	if err := usable(&whole); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(answer, &whole) {
		t.Errorf("streamed\n%+v\nwhole\n%+v", answer, &whole)
	}
	return answer
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

func call(index int, id, name, arguments string, custom bool) upstream.Flat {
	return upstream.Flat{Calls: []upstream.CallPiece{{Index: index, ID: id, Name: name, Arguments: arguments, Custom: custom}}}
}

func end(reason chat.FinishReason) upstream.Flat {
	return upstream.Flat{Finish: reason, Usage: &chat.Usage{Prompt: 1200, CacheRead: 1000, CacheWrite: 100, Completion: 60, Reasoning: 20}}
}

// agentTools are what an agent offers.
const agentTools = `"tools":[{"type":"function","name":"shell","parameters":{"type":"object"},"strict":false},{"type":"custom","name":"apply_patch"},` +
	`{"type":"namespace","name":"mcp__files","tools":[{"type":"function","name":"read"}]}]`

var update = flag.Bool("update", false, "write the golden streams as they are now")

// Whole streams, byte by byte, for whoever wants to see one.
func TestGoldenStreams(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		header http.Header
		fields string
		events []chat.Event
	}{
		"agent.sse": {
			codexHeader, `"input":"Hi","instructions":"Be\u2028brief","store":false,"include":["reasoning.encrypted_content"],"reasoning":{"effort":"low"},` + agentTools,
			flat(t, upstream.Flat{Reasoning: "I should "}, upstream.Flat{Reasoning: "look."}, upstream.Flat{Text: "Let me look:\n"},
				call(0, "call_1", "shell", `{"command":`, false), call(1, "call_2", "mcp__files_read", ``, false), call(0, "", "", `["ls"]}`, false),
				call(2, "call_3", "apply_patch", "*** Begin\n", true), end(chat.CalledTools)),
		},
		"native.sse": {codexHeader, `"input":"Hi","stream":true`, nativeEvents("their-name")},
		"cut.sse":    {nil, `"input":"Hi"`, flat(t, upstream.Flat{Text: "日本 \u2028"}, end(chat.Length))},
	} {
		got := streamed(t, decoded(t, test.header, test.fields), test.events...)
		strictly(t, got)
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

// Each kind of item, as the API has it.
func TestItemsOfAnAnswer(t *testing.T) {
	t.Parallel()
	seal := chat.Seal{Data: "c2VhbA==", Maker: "another"}
	own := chat.Seal{Data: "gAAA", Maker: responses.Dialect}
	block := func(kind chat.BlockKind, open chat.Block, text string, seal *chat.Seal) []chat.Event {
		return []chat.Event{{Kind: kind, Open: &open, Text: text}, {Kind: kind, Close: true, Seal: seal}, {Finish: chat.Stop}}
	}
	const stateless = `"input":"Hi","store":false,` + agentTools
	const sealed = stateless + `,"include":["reasoning.encrypted_content"]`
	for name, test := range map[string]struct {
		header http.Header
		fields string
		events []chat.Event
		want   string // the item, without its id
	}{
		"a text": {
			nil, stateless, block(chat.TextBlock, chat.Block{}, "Hi \"you\"", nil),
			`"type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hi \"you\"","annotations":[],"logprobs":[]}]`,
		},
		"a refusal": {
			nil, stateless, block(chat.RefusalBlock, chat.Block{}, "No.", nil),
			`"type":"message","status":"completed","role":"assistant","content":[{"type":"refusal","refusal":"No."}]`,
		},
		"a refusal for Codex": {
			codexHeader, stateless, block(chat.RefusalBlock, chat.Block{}, "No.", nil),
			`"type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"No.","annotations":[],"logprobs":[]}]`,
		},
		"a thought": {
			nil, stateless, block(chat.ReasoningBlock, chat.Block{}, "Hm", &seal),
			`"type":"reasoning","status":"completed","summary":[{"type":"summary_text","text":"Hm"}]`,
		},
		"a thought that is to come back": {
			nil, sealed, block(chat.ReasoningBlock, chat.Block{}, "Hm", &seal),
			`"type":"reasoning","status":"completed","summary":[{"type":"summary_text","text":"Hm"}],"encrypted_content":"carousel:another:c2VhbA=="`,
		},
		"a thought without a seal": {
			nil, sealed, block(chat.ReasoningBlock, chat.Block{}, "Hm", nil),
			`"type":"reasoning","status":"completed","summary":[{"type":"summary_text","text":"Hm"}],"encrypted_content":"carousel::"`,
		},
		"a thought that nobody may read": {
			nil, sealed, block(chat.ReasoningBlock, chat.Block{Redacted: true}, "", &seal),
			`"type":"reasoning","status":"completed","summary":[],"encrypted_content":"carousel:another:c2VhbA=="`,
		},
		"a thought of the vendor": {
			nil, sealed, block(chat.ReasoningBlock, chat.Block{}, "Hm", &own),
			`"type":"reasoning","status":"completed","summary":[{"type":"summary_text","text":"Hm"}],"encrypted_content":"gAAA"`,
		},
		"a call": {
			nil, stateless, block(chat.CallBlock, chat.Block{ID: "c", Name: "shell"}, `{"a":1}`, nil),
			`"type":"function_call","status":"completed","call_id":"c","name":"shell","arguments":"{\"a\":1}"`,
		},
		"a call without arguments": {
			nil, stateless, block(chat.CallBlock, chat.Block{ID: "c", Name: "shell"}, ``, nil),
			`"type":"function_call","status":"completed","call_id":"c","name":"shell","arguments":"{}"`,
		},
		"a call with null": {
			nil, stateless, block(chat.CallBlock, chat.Block{ID: "c", Name: "shell"}, `null`, nil),
			`"type":"function_call","status":"completed","call_id":"c","name":"shell","arguments":"{}"`,
		},
		"a call without an id": {
			nil, stateless, block(chat.CallBlock, chat.Block{Name: "shell"}, `{}`, nil),
			`"type":"function_call","status":"completed","call_id":"call_` + requestID + `_0","name":"shell","arguments":"{}"`,
		},
		"a call into a namespace": {
			nil, stateless, block(chat.CallBlock, chat.Block{ID: "c", Name: "mcp__files_read"}, `{}`, nil),
			`"type":"function_call","status":"completed","call_id":"c","name":"read","namespace":"mcp__files","arguments":"{}"`,
		},
		"a call with free text": {
			nil, stateless, block(chat.CallBlock, chat.Block{ID: "c", Name: "apply_patch", Custom: true}, "*** Begin\n", nil),
			`"type":"custom_tool_call","status":"completed","call_id":"c","name":"apply_patch","input":"*** Begin\n"`,
		},
		"a call with no text at all": {
			nil, stateless, block(chat.CallBlock, chat.Block{ID: "c", Name: "apply_patch", Custom: true}, "", nil),
			`"type":"custom_tool_call","status":"completed","call_id":"c","name":"apply_patch","input":""`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := decoded(t, test.header, test.fields)
			both(t, request, test.events...)
			for form, answer := range map[string]string{"streamed": streamed(t, request, test.events...), "whole": wholly(t, request, test.events...)} {
				if !strings.Contains(answer, `_`+requestID+`_0",`+test.want+`}`) {
					t.Errorf("%s: %s\nhas no item\n%s", form, answer, test.want)
				}
			}
		})
	}
}

// What says nothing is no item, and takes no number.
func TestBlocksThatSayNothing(t *testing.T) {
	t.Parallel()
	answer := both(t, decoded(t, nil, `"input":"Hi"`),
		chat.Event{Kind: chat.ReasoningBlock, Open: &chat.Block{}, Close: true},
		chat.Event{Kind: chat.OpaqueBlock, Open: &chat.Block{Opaque: &chat.Opaque{Dialect: "another", JSON: []byte("{}")}}, Close: true},
		chat.Event{Kind: chat.TextBlock, Open: &chat.Block{}, Close: true},
		chat.Event{Kind: chat.TextBlock, Open: &chat.Block{}, Text: "a", Close: true},
		chat.Event{Finish: chat.Stop},
	)
	if len(answer.Output) != 1 || allOf(answer.Output[0]) != "a" {
		t.Errorf("%+v", answer)
	}
	if nothing := both(t, decoded(t, nil, `"input":"Hi"`), chat.Event{Finish: chat.Stop}); len(nothing.Output) != 0 {
		t.Errorf("%+v", nothing)
	}
}

// How an answer ended is told by its status.
func TestEnds(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		finish  chat.FinishReason
		refused bool
		header  http.Header
		want    string
	}{
		{chat.Stop, false, nil, "completed"},
		{chat.StoppedAt, false, nil, "completed"},
		{chat.CalledTools, false, nil, "completed"},
		{chat.Paused, false, nil, "completed"},
		{chat.Unfinished, false, nil, "completed"},
		{chat.Length, false, nil, "incomplete max_output_tokens"},
		{chat.WindowFull, false, nil, "incomplete max_output_tokens"},
		{chat.ContentFilter, false, nil, "incomplete content_filter"},
		{chat.ContentFilter, false, codexHeader, "incomplete content_filter"},
		{chat.Refused, false, nil, "incomplete content_filter"},
		{chat.Refused, true, nil, "completed"},
		{chat.Refused, false, codexHeader, "completed"},
	} {
		events := []chat.Event{{Kind: chat.TextBlock, Open: &chat.Block{}, Text: "a", Close: true}}
		if test.refused {
			events = []chat.Event{{Kind: chat.RefusalBlock, Open: &chat.Block{}, Text: "a", Close: true}}
		}
		answer := both(t, decoded(t, test.header, `"input":"Hi"`), append(events, chat.Event{Finish: test.finish})...)
		got := answer.Status
		if answer.Incomplete != nil {
			got += " " + answer.Incomplete.Reason
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.finish, got, test.want)
		}
	}
}

// Where an answer is cut, its last item says that it is not complete, and no other does.
func TestItemsThatAreCut(t *testing.T) {
	t.Parallel()
	steps := func(finish chat.FinishReason) []chat.Event {
		return flat(t, upstream.Flat{Text: "I look."}, call(0, "c", "shell", `{"command":"rm -r /tm`, false), end(finish))
	}
	for finish, want := range map[chat.FinishReason]string{
		chat.Length: "incomplete", chat.WindowFull: "incomplete", chat.ContentFilter: "incomplete", chat.Stop: "completed",
	} {
		events := steps(finish)
		if finish == chat.Stop { // what is complete has complete arguments
			events = flat(t, upstream.Flat{Text: "I look."}, call(0, "c", "shell", `{}`, false), end(finish))
		}
		output := both(t, decoded(t, nil, `"input":"Hi",`+agentTools), events...).Output
		if output[0].Status != "completed" || output[1].Status != want {
			t.Errorf("%s: %+v", finish, output)
		}
	}
}

// An answer repeats what its request has set.
func TestSettingsAreRepeated(t *testing.T) {
	t.Parallel()
	const set = `"instructions":"Be brief","max_output_tokens":50,"max_tool_calls":3,"metadata":{"a":"b"},"parallel_tool_calls":false,"prompt_cache_key":"k",` +
		`"reasoning":{"effort":"low","summary":"auto"},"safety_identifier":"s","service_tier":"flex","temperature":0.5,"text":{"verbosity":"low"},` +
		`"tool_choice":"required","tools":[{"type":"function","name":"f"}],"top_p":0.9,"truncation":"auto","user":"u","store":false`
	const unset = `"background":false,"error":null,"incomplete_details":null,"instructions":null,"max_output_tokens":null,"max_tool_calls":null,"metadata":{},` +
		`"parallel_tool_calls":true,"previous_response_id":null,"prompt_cache_key":null,"reasoning":{"effort":null,"summary":null},"safety_identifier":null,` +
		`"service_tier":null,"temperature":null,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":null,"truncation":"disabled","user":null,"store":true`
	for _, fields := range []string{set, unset} {
		sent := fields
		if fields == unset { // null is absent
			sent = `"instructions":null,"tools":null,"metadata":null,"text":null,"store":null,"temperature":null`
		}
		request := decoded(t, nil, `"input":"Hi",`+sent)
		var got, want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(wholly(t, request, chat.Event{Finish: chat.Stop})), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(`{`+fields+`}`), &want); err != nil {
			t.Fatal(err)
		}
		for name, value := range want {
			if string(got[name]) != string(value) {
				t.Errorf("%s: %s, want %s", name, got[name], value)
			}
		}
	}
}
