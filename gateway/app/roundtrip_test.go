package app

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
	chatcompletions "carousel.internal/gateway/internal/dialect/openai"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/openai"
)

// corpus are bodies of chat completions. Those under exact say nothing in a form that has
// another, and come out of the canonical form member by member as they went in.
var corpus = struct{ exact, loose map[string]string }{
	exact: map[string]string{
		"a question": `{"model":"m","messages":[{"role":"user","content":"hi"}]}`,
		"instructions": `{"model":"m","messages":[{"role":"system","content":"be brief"},{"role":"developer","content":"be kind"},{"role":"user","content":"hi","name":"ann"},` +
			`{"role":"assistant","content":"hello"},{"role":"system","content":"hurry"},{"role":"user","content":"go"}]}`,
		"media": `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"https://h/i.png","detail":"low"}},` +
			`{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}},{"type":"input_audio","input_audio":{"data":"QQ==","format":"wav"}},` +
			`{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,UERG"}}]}]}`,
		"a loop of tools": `{"model":"m","messages":[{"role":"user","content":"look"},` +
			`{"role":"assistant","content":"yes","reasoning_content":"hm","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"},"extra_content":{"google":{"thought_signature":"s"}}},` +
			`{"id":"d","type":"custom","custom":{"name":"p","input":"*** go"}}]},{"role":"tool","content":"1","tool_call_id":"c"},{"role":"tool","content":"","tool_call_id":"d"},` +
			`{"role":"assistant","content":null,"tool_calls":[{"id":"e","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"2","tool_call_id":"e"}],` +
			`"tools":[{"type":"function","function":{"name":"f","description":"does","parameters":{"type":"object","properties":{"a":{"minimum":1}}},"strict":false}},{"type":"custom","custom":{"name":"p","format":{"type":"text"}}}],` +
			`"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false}`,
		"all wishes": `{"model":"m","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":9,"stop":["a","b"],"temperature":0.3,"top_p":0.9,"presence_penalty":-1,"frequency_penalty":1.5,"seed":7,"top_k":5,` +
			`"logit_bias":{"5":1},"reasoning_effort":"medium","verbosity":"low","user":"u","prompt_cache_key":"k","response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"type":"object"},"strict":true}},` +
			`"stream":true,"stream_options":{"include_usage":true}}`,
		"JSON": `{"model":"m","messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_object"}}`,
	},
	loose: map[string]string{
		"texts in parts":     `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":[{"type":"text","text":"c"}]}]}`,
		"other names":        `{"model":"m","messages":[{"role":"human","content":"a"},{"role":"ai","content":"b","reasoning":"h"}],"max_tokens":9,"stop":"x","safety_identifier":"u"}`,
		"flat tools":         `{"model":"m","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{}}}],"tool_choice":"any"}`,
		"arguments as JSON":  `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":{"a":1}}}]},{"role":"tool","content":[{"type":"text","text":"1"}],"tool_call_id":"c"}]}`,
		"details":            `{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"h","reasoning_details":[{"type":"reasoning.text","text":"h"}]}]}`,
		"an URL alone":       `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":"https://h/i.png"}]}]}`,
		"what nobody knows":  `{"model":"m","messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://h/v"}}]}]}`,
		"wishes as null":     `{"model":"m","messages":[{"role":"user","content":"a"}],"temperature":null,"tools":null,"stop":null,"response_format":{"type":"text"}}`,
		"an allowed tool":    `{"model":"m","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}}`,
		"surrogates, halved": `{"model":"m","messages":[{"role":"user","content":"a\ud83d"}]}`,
	},
}

// A request that goes through the canonical form says to an upstream of its own dialect what
// it would have said there as it came.
func TestChatThroughTheCanonicalForm(t *testing.T) {
	t.Parallel()
	bodies := make(chan []byte, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- body
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	driver, err := openai.New(upstream.Config{BaseURL: server.URL, Settings: map[string]string{
		"developer_role": "keep", "mid_system": "keep", "output_limit_field": "max_completion_tokens", "sampling": "always", "reasoning_efforts": "low,medium,high",
		"reasoning_history": "always", "documents": "file", "prompt_cache_key": "true", "custom_tools": "keep",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	through := func(body string) (*chat.Request, []byte) {
		request, err := chatcompletions.Decode([]byte(body), "id", time.Time{})
		if err != nil || request.HistoryFault != nil {
			t.Fatal(err, request, body)
		}
		foreign := *request
		foreign.Source = chat.Source{Dialect: "other"}
		for range driver.Chat(t.Context(), &upstream.Call{Request: &foreign, Model: foreign.Model}) {
		}
		return request, <-bodies
	}
	for name, body := range corpus.exact {
		_, got := through(body)
		var want, have any
		if json.Unmarshal([]byte(body), &want) != nil || json.Unmarshal(got, &have) != nil || !reflect.DeepEqual(have, want) {
			t.Errorf("%s: got  %s\nwant %s", name, got, body)
		}
	}
	for name, body := range corpus.loose {
		request, got := through(body)
		again, err := chatcompletions.Decode(got, "id", time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if want, have := meaning(request), meaning(again); !reflect.DeepEqual(have, want) {
			t.Errorf("%s: %s became %s:\n%+v, want\n%+v", name, body, got, have, want)
		}
	}
}

// meaning is a request without the form that it came in.
func meaning(request *chat.Request) chat.Request {
	r := *request
	r.Source, r.Locate, r.Asks = chat.Source{}, nil, nil
	for i := range r.Messages {
		r.Messages[i].Parts = joinedTexts(r.Messages[i].Parts)
	}
	for i := range r.Tools {
		r.Tools[i].Own = nil
	}
	if r.ToolChoice.Mode == chat.ToolsRequired && len(r.ToolChoice.Names) == len(r.Tools) {
		r.ToolChoice.Names = nil
	}
	return r
}

func joinedTexts(parts []chat.Part) []chat.Part {
	var joined []chat.Part
	for _, part := range parts {
		if part.Result != nil {
			result := *part.Result
			result.Parts = joinedTexts(result.Parts)
			part.Result = &result
		}
		if last := len(joined) - 1; last >= 0 && part.IsText() && joined[last].IsText() {
			joined[last].Text = strings.Join([]string{joined[last].Text, part.Text}, "\n")
		} else {
			joined = append(joined, part)
		}
	}
	return joined
}
