package openai_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/dialect/responses"
	"carousel.internal/gateway/internal/upstream"
	anthropicdriver "carousel.internal/gateway/internal/upstream/anthropic"
	openaidriver "carousel.internal/gateway/internal/upstream/openai"
)

// mixed is the API as a gateway has it that knows bodies of the other form.
var mixed = openai.API{Input: responses.API{BesideChat: true}}

func ofInput(t *testing.T, body string) *chat.Request {
	t.Helper()
	request, err := mixed.Decode(dialect.Incoming{Body: []byte(body), RequestID: "r", Received: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if request.ID != "chatcmpl-r" {
		t.Errorf("the answer's id is %s", request.ID)
	}
	return request
}

// Trap 61: a body in the form of the Responses API. An upstream of this API gets one of its
// own, and never what it does not know.
func TestBodiesOfTheResponsesAPI(t *testing.T) {
	t.Parallel()
	const hi = `"messages":[{"role":"user","content":"Hi"}]`
	tests := map[string]struct {
		fields    string
		sent      string    // to an upstream of this API, without the model
		anthropic string    // to one of Anthropic's; empty: it is not looked at
		need      chat.Need // or what keeps it from any upstream
	}{
		"a question": {fields: `"input":"Hi"`, sent: hi, anthropic: `"max_tokens":32000,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]`},
		"instructions, wherever they stand": {
			fields: `"input":[{"role":"user","content":"Hi"}],"instructions":"Be brief"`,
			sent:   `"messages":[{"role":"system","content":"Be brief"},{"role":"user","content":"Hi"}]`,
		},
		"an agent's turn": {
			fields: `"stream":true,"store":false,"include":["reasoning.encrypted_content"],"prompt_cache_key":"k","input":[` +
				`{"type":"message","role":"developer","content":[{"type":"input_text","text":"Be brief"}]},` +
				`{"role":"user","content":[{"type":"input_text","text":"See"},{"type":"input_image","image_url":"data:image/png;base64,AA==","detail":"low"}]},` +
				`{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"x"},` +
				`{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a","annotations":[]}]},` +
				`{"type":"function_call","id":"fc","call_id":"c1","name":"f","arguments":"{\"z\":1,\"a\":2}"},` +
				`{"type":"function_call","call_id":"c2","name":"g","arguments":""},` +
				`{"type":"function_call_output","call_id":"c1","output":"r1"},` +
				`{"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"r2"}]}],` +
				`"tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object","b":1,"a":2},"strict":false},{"type":"function","name":"g","parameters":null}],` +
				`"tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":true,"max_output_tokens":50,"reasoning":{"effort":"low","summary":"auto"},` +
				`"text":{"verbosity":"low","format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true}},"temperature":0.5,"truncation":"auto","background":false`,
			sent: `"messages":[{"role":"system","content":"Be brief"},` +
				`{"role":"user","content":[{"type":"text","text":"See"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"low"}}]},` +
				`{"role":"assistant","content":"a","reasoning_content":"hm","tool_calls":[` +
				`{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"z\":1,\"a\":2}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},` +
				`{"role":"tool","content":"r1","tool_call_id":"c1"},{"role":"tool","content":"r2","tool_call_id":"c2"}],` +
				`"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","b":1,"a":2,"properties":{}},"strict":false}},` +
				`{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}}],` +
				`"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":true,"max_tokens":50,"temperature":0.5,"verbosity":"low",` +
				`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}},` +
				`"stream":true,"stream_options":{"include_usage":true}`,
		},
		"free text": {
			fields: `"input":[{"type":"custom_tool_call","call_id":"c","name":"patch","input":"*** Begin"},{"type":"custom_tool_call_output","call_id":"c","output":"done"}],"tools":[{"type":"custom","name":"patch","description":"d"}]`,
			sent: `"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"patch","arguments":"{\"input\":\"*** Begin\"}"}}]},{"role":"tool","content":"done","tool_call_id":"c"}],` +
				`"tools":[{"type":"function","function":{"name":"patch","description":"d","parameters":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}}]`,
		},
		"messages of this API among the items": {
			fields: `"input":[{"role":"user","content":"Hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}]`,
			sent:   hi[:len(hi)-1] + `,{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"r","tool_call_id":"c"}]`,
		},
		"messages null":               {fields: `"messages":null,"input":"Hi"`, sent: hi},
		"what is kept elsewhere":      {fields: `"input":"Hi","previous_response_id":"resp_1"`, need: chat.State},
		"an item that is elsewhere":   {fields: `"input":[{"type":"item_reference","id":"x"}]`, need: chat.State},
		"an item of an unheard kind":  {fields: `"input":[{"type":"file_search_call","id":"x"},{"role":"user","content":"Hi"}]`, sent: hi},
		"an answer for later":         {fields: `"input":"Hi","background":true`, need: chat.State},
		"a tool that its maker runs":  {fields: `"input":"Hi","tools":[{"type":"web_search"}],"tool_choice":{"type":"web_search"}`, need: chat.HostedTools},
		"a file that has to be known": {fields: `"input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}]`, need: chat.FileIDs},
	}
	upstreams := newRecording(t)
	driver := upstreams.driver(t, openaidriver.New, map[string]string{"responses": "off"})
	anthropic := upstreams.driver(t, anthropicdriver.New, map[string]string{"automatic_cache": "false"})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			body := `{"model":"m",` + test.fields + `}`
			request := ofInput(t, body)
			if request.HistoryFault != nil || string(request.Source.JSON) != body || upstream.TakesAsItCame(driver, request) {
				t.Fatalf("decoded %+v", request)
			}
			lacks, uncarried := upstream.Uncarried(driver, request)
			if uncarried || test.need != "" {
				if lacks.Need != test.need {
					t.Errorf("kept from the upstream by %+v, want %s", lacks, test.need)
				}
				return
			}
			if got, want := upstreams.ask(t, driver, request), `{"model":"m",`+test.sent+`}`; !bytes.Equal(sorted(t, got), sorted(t, want)) {
				t.Errorf("sent\n%s\nwant\n%s", got, want)
			}
			if test.anthropic == "" {
				return
			}
			if got, want := upstreams.ask(t, anthropic, request), `{"model":"m",`+test.anthropic+`}`; !bytes.Equal(sorted(t, got), sorted(t, want)) {
				t.Errorf("Anthropic's is sent\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// What such a body says in this API's fields is heard, where the other form does not say it too.
func TestChatFieldsOfResponsesBodies(t *testing.T) {
	t.Parallel()
	const form = `{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}}`
	request := ofInput(t, `{"model":"m","input":"Hi","stop":["END"],"max_tokens":7,"reasoning_effort":"high","response_format":`+form+`}`)
	if request.HistoryFault != nil || request.MaxTokens != 7 || len(request.Stop) != 1 || request.Thinking.Effort != chat.EffortHigh ||
		request.Output.Form != chat.SchemaOutput || !slices.Contains(request.Asks, chat.Ask{Field: "response_format", Need: chat.JSONSchema}) {
		t.Errorf("%+v, %v", request, request.HistoryFault)
	}
	request = ofInput(t, `{"model":"m","input":"Hi","reasoning":{"effort":"low"},"reasoning_effort":"high","text":{"format":{"type":"json_object"}},"response_format":`+form+`}`)
	if request.Thinking.Effort != chat.EffortLow || request.Output.Form != chat.JSONOutput || slices.ContainsFunc(request.Asks, func(ask chat.Ask) bool { return ask.Need == chat.JSONSchema }) {
		t.Errorf("%+v", request)
	}
	if fault := ofInput(t, `{"model":"m","input":"Hi","functions":[{"name":"f"}]}`).HistoryFault; fault == nil || fault.Param != "functions" {
		t.Errorf("%v", fault)
	}
}

// Errors name the client's own fields.
func TestFaultsOfResponsesBodies(t *testing.T) {
	t.Parallel()
	for body, param := range map[string]string{
		`{"model":"m","input":""}`:                 "input",
		`{"model":"m","input":[]}`:                 "input",
		`{"model":"m","input":7}`:                  "input",
		`{"model":"m","instructions":7}`:           "instructions",
		`{"model":"m","input":null}`:               "messages",
		`{"input":"Hi"}`:                           "model",
		`{"model":"m","input":[7]}`:                "input[0]",
		`{"model":"m","input":[{"content":"Hi"}]}`: "input[0].role",
		`{"model":"m","input":["x",{"role":"user","content":[{"type":"input_text"}]}]}`:                           "input[0]",
		`{"model":"m","input":[{"role":"user","content":[{"type":"input_text"}]}]}`:                               "input[0].content[0].text",
		`{"model":"m","input":[{"type":"function_call_output","output":"x"}]}`:                                    "input[0].call_id",
		`{"model":"m","input":[{"role":"user","content":"a"},{"type":"function_call","name":"f","arguments":1}]}`: "input[1].arguments",
	} {
		request, err := mixed.Decode(dialect.Incoming{Body: []byte(body)})
		fault := chat.AsError(err)
		if err == nil {
			fault = request.HistoryFault
		}
		if fault == nil || fault.Param != param || !strings.Contains(fault.Message, "`"+strings.TrimSuffix(param, "[0]")) {
			t.Errorf("%s: %+v, want the field %s", body, fault, param)
		}
	}
	request := ofInput(t, `{"model":"m","instructions":"a","input":[{"role":"user","content":[{"type":"input_text","text":"x"}]},{"type":"reasoning","summary":[]},{"role":"user","content":"y"}]}`)
	var places []string
	for i := range request.Messages {
		places = append(places, request.Place(i, -1), request.Place(i, 0))
	}
	if got := strings.Join(places, " "); got != "instructions instructions input[0] input[0].content[0] input[2] input[2]" {
		t.Errorf("places %s", got)
	}
}

// A request of that form is tuned in its own fields, and what it says in this API's stays.
func TestTuneResponsesBodies(t *testing.T) {
	t.Parallel()
	request := ofInput(t, `{"model":"m","input":"Hi","stream":true,"stream_options":{"include_usage":true},"stop":["END"],"max_tokens":7,"n":2}`)
	tuned, err := mixed.Tune(request, []chat.Parameter{{Name: chat.SetEffort, Value: `"low"`}})
	if err != nil {
		t.Fatal(err)
	}
	for name, each := range map[string]*chat.Request{"as it came": request, "tuned": tuned} {
		if each.ID != "chatcmpl-r" || !each.IncludeUsage || each.MaxTokens != 7 || len(each.Stop) != 1 || !slices.Contains(each.Asks, chat.Ask{Field: "n", Need: chat.Choices}) {
			t.Errorf("%s: %+v", name, each)
		}
	}
	if tuned.Thinking.Effort != chat.EffortLow || !strings.Contains(string(tuned.Source.JSON), `"reasoning":{"effort":"low"}`) {
		t.Errorf("%+v", tuned)
	}
}
