package upstreamsim

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// both asks for the same as an object and as a stream.
func both(t *testing.T, body string) (completion, stream) {
	t.Helper()
	sim := New(Options{})
	r := rawChat(t, sim, body)
	object := decodeObject(t, r.all())
	if len(object.Choices) == 0 {
		t.Fatalf("%d %s", r.status, r.all())
	}
	streamed := decodeEvents(t, string(rawChat(t, sim, `{"stream":true,"stream_options":{"include_usage":true},`+body[1:]).all()))
	if !streamed.done || len(streamed.garbage) > 0 {
		t.Fatalf("%+v", streamed)
	}
	noViolations(t, sim)
	return object, streamed
}

// calls are the calls of a stream's first choice, name and arguments.
func (s *stream) calls() []string {
	var calls []string
	for _, chunk := range s.chunks {
		if len(chunk.Choices) == 0 {
			continue
		}
		for _, call := range chunk.Choices[0].Delta.ToolCalls {
			if call.Index == len(calls) {
				calls = append(calls, "")
			}
			calls[call.Index] += call.Function.Name + call.Custom.Name + call.Function.Arguments + call.Custom.Input
		}
	}
	return calls
}

func (c choice) calls() []string {
	var calls []string
	for _, call := range c.Message.ToolCalls {
		calls = append(calls, call.Function.Name+call.Custom.Name+call.Function.Arguments+call.Custom.Input)
	}
	return calls
}

const (
	twoTools = `"tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object","properties":{"at":{"type":"string"},
		"deep":{"type":"integer","minimum":3},"how":{"enum":["well","badly"]},"not":{"type":"string"}},"required":["at","deep","how"]}}},
		{"type":"function","function":{"name":"now","parameters":{"type":"object","properties":{}}}}]`
	looked = `look{"at":"x","deep":3,"how":"well"}`
	now    = `now{}`
)

func TestOpenAIToolTurns(t *testing.T) {
	t.Parallel()
	turn := func(model, fields string) string {
		return `{"model":"` + model + `","messages":[` + userSays + `],` + fields + `}`
	}
	for name, test := range map[string]struct {
		body   string
		calls  []string
		finish string
		text   string
	}{
		"two":                {turn("tool-call", twoTools), []string{looked, now}, "tool_calls", ""},
		"one":                {turn("sim-one-call", twoTools), []string{looked}, "tool_calls", ""},
		"not parallel":       {turn("tool-call", twoTools+`,"parallel_tool_calls":false`), []string{looked}, "tool_calls", ""},
		"none":               {turn("tool-call", twoTools+`,"tool_choice":"none"`), nil, "stop", "x"},
		"forced":             {turn("gpt-4o", twoTools+`,"tool_choice":"required"`), []string{looked, now}, "tool_calls", ""},
		"not forced":         {turn("gpt-4o", twoTools+`,"tool_choice":"auto"`), nil, "stop", "x"},
		"named":              {turn("gpt-4o", twoTools+`,"tool_choice":{"type":"function","function":{"name":"now"}}`), []string{now}, "stop", ""},
		"allowed":            {turn("tool-call", twoTools+`,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"now"}}]}}`), []string{now}, "tool_calls", ""},
		"free text":          {turn("tool-call", `"tools":[{"type":"custom","custom":{"name":"patch"}}]`), []string{"patchx"}, "tool_calls", ""},
		"cut in arguments":   {turn("tool-call", twoTools+`,"max_tokens":1`), []string{looked[:4+len(pieces(looked[4:])[0])]}, "length", ""},
		"thoughts first":     {turn("sim-reasoning-call", twoTools), []string{looked, now}, "tool_calls", ""},
		"after results":      {talkingTo("tool-call", userSays+`,`+callsTwo+`,`+result+`,`+another), nil, "stop", "found\ntoo"},
		"a new question":     {`{` + twoTools + `,` + talkingTo("tool-call", userSays+`,`+calling+`,`+result+`,{"role":"assistant","content":"found"},`+userSays)[1:], []string{looked, now}, "tool_calls", ""},
		"results and images": {talkingTo("tool-call", userSays+`,`+calling+`,`+result+`,`+userParts(`{"type":"image_url","image_url":{"url":"`+dataImage+`"}}`)), nil, "stop", "found\n" + `{"kind":"image_url","role":"user","message":3,"media_type":"image/png","bytes":8,"sha256":"` + hashOf("\x89PNG\r\n\x1a\n") + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object, streamed := both(t, test.body)
			got := object.Choices[0]
			if !slices.Equal(got.calls(), test.calls) || got.FinishReason != test.finish || got.Message.Content != test.text {
				t.Errorf("object: %q, %s, %q", got.calls(), got.FinishReason, got.Message.Content)
			}
			if !slices.Equal(streamed.calls(), test.calls) || streamed.finish != test.finish || streamed.content != test.text {
				t.Errorf("stream: %q, %s, %q", streamed.calls(), streamed.finish, streamed.content)
			}
		})
	}
}

func TestOpenAIReasoning(t *testing.T) {
	t.Parallel()
	thought := strings.Join(thoughts, "")
	object, streamed := both(t, talkingTo("sim-reasoning", userSays))
	if object.Choices[0].Message.ReasoningContent != thought || streamed.thought != thought || object.Usage.Details.Reasoning != len(thoughts) {
		t.Errorf("%+v, %q", object, streamed.thought)
	}
	if last := streamed.chunks[len(streamed.chunks)-1]; last.Usage.Details.Reasoning != len(thoughts) || last.Usage.Completion != len(thoughts)+1 {
		t.Errorf("%+v", last.Usage)
	}
	object, _ = both(t, talkingTo("sim-reasoning-field", userSays))
	if got := object.Choices[0].Message; got.Reasoning != thought || got.ReasoningContent != "" {
		t.Errorf("%+v", got)
	}
	object, _ = both(t, talkingTo("deepseek-style-sim-echo", userSays))
	if got := object.Choices[0].Message; got.ReasoningContent != thought || got.Content != "x" {
		t.Errorf("%+v", got)
	}
	object, _ = both(t, `{"max_completion_tokens":2,`+talkingTo("o-style-sim-reasoning", userSays)[1:])
	if got := object.Choices[0]; got.Message.ReasoningContent != "Thinking about " || got.Message.Content != "" || got.FinishReason != "length" {
		t.Errorf("%+v", got)
	}
}

// Limits, stop texts and the number of choices are kept.
func TestOpenAIKeepsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	const says = `"messages":[{"role":"user","content":"one two three END four ENDE five"}]`
	count := CountText(3)
	for name, test := range map[string]struct {
		body, text, finish string
		tokens, choices    int
	}{
		"limit":            {`{"model":"sim-count-9","max_tokens":3,` + says + `}`, count, "length", 3, 1},
		"limit, as it is":  {`{"model":"sim-count-3","max_tokens":3,` + says + `}`, count, "stop", 3, 1},
		"new limit":        {`{"model":"sim-count-9","max_completion_tokens":3,` + says + `}`, count, "length", 3, 1},
		"stop":             {`{"model":"gpt-4o","stop":"END",` + says + `}`, "one two three ", "stop", 0, 1},
		"first of stops":   {`{"model":"gpt-4o","stop":["ENDE"," three"],` + says + `}`, "one two", "stop", 0, 1},
		"stop not there":   {`{"model":"sim-count-3","stop":["X",""],` + says + `}`, count, "stop", 3, 1},
		"stop, then limit": {`{"model":"sim-count-9","stop":"4","max_tokens":3,` + says + `}`, count, "stop", 3, 1},
		"choices":          {`{"model":"sim-count-3","n":2,` + says + `}`, count, "stop", 6, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			object, streamed := both(t, test.body)
			if len(object.Choices) != test.choices || test.tokens > 0 && object.Usage.Completion != test.tokens {
				t.Errorf("%+v", object)
			}
			for i, choice := range object.Choices {
				if choice.Message.Content != test.text || choice.FinishReason != test.finish || choice.Index != i {
					t.Errorf("%+v", choice)
				}
			}
			if streamed.content != test.text && test.choices == 1 || streamed.finish != test.finish {
				t.Errorf("%q, %s", streamed.content, streamed.finish)
			}
			if test.choices > 1 {
				texts := make([]string, test.choices)
				for _, chunk := range streamed.chunks {
					for _, choice := range chunk.Choices {
						texts[choice.Index] += choice.Delta.Content
					}
				}
				if texts[0] != test.text || texts[1] != test.text {
					t.Errorf("%q", texts)
				}
			}
		})
	}
}

func TestOpenAIOutputForms(t *testing.T) {
	t.Parallel()
	schemaOf := func(schema string) string {
		return with(`"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":` + schema + `}}`)
	}
	for name, test := range map[string]struct{ body, text string }{
		"object": {with(`"response_format":{"type":"json_object"}`), `{"text":"Say it in JSON."}`},
		"text":   {with(`"response_format":{"type":"text"}`), "Say it in JSON."},
		"schema": {
			schemaOf(`{"type":"object","properties":{"a":{"type":["string","null"]},"b":{"type":"array","items":{"type":"boolean"},"minItems":2},
			"c":{"type":"number","exclusiveMinimum":2},"d":{"const":4},"e":{"type":"string","format":"date"},"f":{"type":"string","maxLength":3}}}`),
			`{"a":"Say it in JSON.","b":[true,true],"c":3,"d":4,"e":"2026-01-01","f":"Say"}`,
		},
		"recursive": {schemaOf(`{"type":"object","properties":{"next":{"anyOf":[{"type":"null"},{"$ref":"#"}]},"of":{"$ref":"#/$defs/n"}},
			"$defs":{"n":{"type":"integer"}}}`), `{"next":null,"of":1}`},
	} {
		object, streamed := both(t, test.body)
		if got := object.Choices[0].Message.Content; got != test.text || streamed.content != test.text {
			t.Errorf("%s: %q, %q", name, got, streamed.content)
		}
	}
}

func TestOpenAIRefusalsAndUsage(t *testing.T) {
	t.Parallel()
	object, streamed := both(t, talkingTo("sim-refusal", userSays))
	if got := object.Choices[0]; got.Message.Refusal != "I can't help with that." || got.Message.Content != "" || streamed.content != "" {
		t.Errorf("%+v", got)
	}
	object, _ = both(t, talkingTo("sim-content-filter", `{"role":"user","content":"`+hello+`"}`))
	if got := object.Choices[0]; got.FinishReason != "content_filter" || !strings.HasPrefix(hello, got.Message.Content) || got.Message.Content == hello {
		t.Errorf("%+v", got)
	}
	object, _ = both(t, talkingTo("sim-cached", userSays))
	if object.Usage.PromptDetails.Cached != object.Usage.Prompt/2 {
		t.Errorf("%+v", object.Usage)
	}
	object, _ = both(t, talkingTo("sim-cached-over-prompt", userSays))
	if object.Usage.PromptDetails.Cached <= object.Usage.Prompt {
		t.Errorf("%+v", object.Usage)
	}
}

// A Description tells of every byte that arrived.
func TestOpenAIDescribes(t *testing.T) {
	t.Parallel()
	object, _ := both(t, `{"tools":[`+aTool+`],`+talkingTo("sim-describe", userParts(`{"type":"text","text":"x"},
		{"type":"image_url","image_url":{"url":"`+dataImage+`"}},{"type":"image_url","image_url":{"url":"https://example.com/a.png"}},
		{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="}},
		{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}}`)+`,{"role":"assistant","reasoning_content":"hm","tool_calls":[`+aCall+`]},`+result)[1:])
	var got Description
	if err := json.Unmarshal([]byte(object.Choices[0].Message.Content), &got); err != nil {
		t.Fatal(err)
	}
	media := []Media{
		{Kind: "image_url", Role: "user", MediaType: "image/png", Bytes: 8, SHA256: hashOf("\x89PNG\r\n\x1a\n")},
		{Kind: "image_url", Role: "user", URL: "https://example.com/a.png"},
		{Kind: "file", Role: "user", MediaType: "application/pdf", Bytes: 4, SHA256: hashOf("%PDF"), Name: "a.pdf"},
		{Kind: "input_audio", Role: "user", MediaType: "audio/mp3", Bytes: 3, SHA256: hashOf("\x00\x00\x00")},
	}
	if !slices.Equal(got.Media, media) || !slices.Equal(got.Roles, []string{"user", "assistant", "tool"}) || !slices.Equal(got.Tools, []string{"look"}) ||
		got.Calls != 1 || got.Results != 1 || !slices.Equal(got.Thoughts, []string{"hm"}) || got.Model != "sim-describe" {
		t.Errorf("%+v", got)
	}
}

// A conversation that goes on over one token is warm there, and nowhere else.
func TestOpenAICachesPrompts(t *testing.T) {
	t.Parallel()
	sim := New(Options{})
	cached := func(token, messages string) int {
		body := json.RawMessage(`{"model":"caching-sim-echo",` + twoTools + `,"messages":[` + messages + `]}`)
		return decodeObject(t, record(sim, openAIRequest(t.Context(), t, "http://sim", token, body)).all()).Usage.PromptDetails.Cached
	}
	first := `{"role":"system","content":"Be brief."},` + userSays
	second := first + `,{"role":"assistant","content":"x"},` + userSays
	if got := cached("sk-1", first); got != 0 {
		t.Errorf("a cold prompt: %d", got)
	}
	warm := cached("sk-1", first)
	if got := cached("sk-1", second); got != warm || got == 0 {
		t.Errorf("a second turn: %d of %d", got, warm)
	}
	if got := cached("sk-1", second); got <= warm {
		t.Errorf("the same again: %d", got)
	}
	if got := cached("sk-2", second); got != 0 {
		t.Errorf("another token: %d", got)
	}
	if got := cached("sk-1", `{"role":"system","content":"Be very brief."},`+userSays); got >= warm {
		t.Errorf("another system text: %d", got)
	}
}
