package openai

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
)

// A tool that takes free text goes out as a function where the upstream knows no other, and its
// calls come back as the client's own, as they come.
func TestTrap48FreeTools(t *testing.T) {
	t.Parallel()
	const patch = "*** Begin Patch\n+\"é\" 😀\n*** End Patch\n"
	call := func(arguments ...string) []string {
		chunks := []string{calling(`{"index":0,"id":"c1","type":"function","function":{"name":"apply_patch","arguments":""}}`)}
		for _, piece := range arguments {
			chunks = append(chunks, calling(`{"index":0,"function":{"arguments":`+quoted(piece)+`}}`))
		}
		return append(chunks, calling(`{"index":1,"id":"c2","type":"function","function":{"name":"shell","arguments":"{\"input\":\"ls\"}"}}`),
			`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`, "[DONE]")
	}
	for name, arguments := range map[string][]string{
		"as asked":     {`{"in`, `put":"*** Begin Patch\`, `n+\"\u00`, `e9\" \ud83d`, `\ude00\n*** End`, ` Patch\n"`, `}`},
		"another name": {`{"patch":"*** Begin Patch\n+\"é\" 😀\n*** End Patch\n"}`},
		"a string":     {`"*** Begin Patch\n+\"é\" `, `😀\n*** End Patch\n"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstreams := &serves{answers: map[string]http.HandlerFunc{"/v1/chat/completions": answerWith(200, "text/event-stream", eventsOf(call(arguments...)...))}}
			asks := responsesCall(asked, true)
			asks.Request.Tools = []chat.ToolSpec{{Kind: chat.Custom, Name: "apply_patch"}, {Kind: chat.Function, Name: "shell"}}
			asks.Request.Messages = append(asks.Request.Messages, chat.Message{Role: chat.Assistant, Parts: []chat.Part{{Call: &chat.Call{ID: "c0", Name: "apply_patch", Custom: true, Arguments: "a\nb"}}}})
			events, failure := gather(t.Context(), t, upstreams.driver(t, map[string]string{"responses": "off"}), asks)
			if failure != nil {
				t.Fatal(failure)
			}
			if got, want := blocksOf(t, events), "custom c1 apply_patch("+patch+`)call c2 shell({"input":"ls"}) tool_calls`; got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			sent := upstreams.seen()[0]
			if !strings.Contains(sent, `"name":"apply_patch","arguments":"{\"input\":\"a\\nb\"}"`) || strings.Contains(sent, `"custom"`) {
				t.Errorf("sent %s", sent)
			}
		})
	}
}

// What only some upstreams take is left out for the others, and the body is else as it came.
func TestTrap59MembersThatAreRefused(t *testing.T) {
	t.Parallel()
	const body = `{"model":"m","prompt_cache_retention":"24h","input":"hi","prompt_cache_key":"k"}`
	for base, want := range map[string]string{
		"http://host/v1":            `{"model":"m","input":"hi","prompt_cache_key":"k"}`,
		"https://api.openai.com/v1": body,
	} {
		if got, ok := newTestDriver(t, base, nil).editResponses(responsesCall(body, false)); !ok || string(got) != want {
			t.Errorf("%s: got %s", base, got)
		}
	}
}

// An answer ends at its end, whatever follows.
func TestTrap59FramesAfterTheEnd(t *testing.T) {
	t.Parallel()
	for name, stream := range map[string][]string{
		"after the answer's end": {greeting, completed, greeting, `{"type":"error","message":"late"}`},
		"after an end mark":      {greeting, completed, "[DONE]", greeting},
	} {
		events, failure := gather(t.Context(), t, native(t, "text/event-stream", eventsOf(stream...)), responsesCall(asked, true))
		if failure != nil || !reflect.DeepEqual(rawOf(events), stream[:2]) {
			t.Errorf("%s: %q, %v", name, rawOf(events), failure)
		}
	}
}

// The upstream is asked by its own name for the model. What it then calls itself goes on as it
// came: the dialect puts the name there that the client knows.
func TestTrap59TheNameOfTheModel(t *testing.T) {
	t.Parallel()
	const created = `{"type":"response.created","response":{"id":"resp_1","model":"m-2026"}}`
	upstreams := &serves{answers: map[string]http.HandlerFunc{"/v1/responses": answerWith(200, "text/event-stream", eventsOf(created, greeting, completed))}}
	events, failure := gather(t.Context(), t, upstreams.driver(t, map[string]string{"responses": "on"}), responsesCall(asked, true))
	if failure != nil || !strings.Contains(upstreams.seen()[0], `"model":"m"`) || string(events[0].Raw.JSON) != created {
		t.Errorf("%v, %v", events, failure)
	}
}
