package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/chat"
)

var now = time.Unix(1763800000, 0)

func text(s string) []chat.Part { return []chat.Part{{Text: s}} }

// What drivers may set is noted where it stands, unless it can't be told.
func TestMembersOfABody(t *testing.T) {
	t.Parallel()
	const messages = `"messages":[{"role":"user","content":"model","model":1}]`
	for body, want := range map[string]map[string]string{
		`{"model":"m",` + messages + `}`: {"model": `"m"`},
		"\xef\xbb\xbf {" + messages + `, "stream" : true , "mod\u0065l" : "\u0041" , "stream_options" : { "x" : [1] } } `: {"model": `"\u0041"`, "stream": "true", "stream_options": `{ "x" : [1] }`},
		`{"model":"m",` + messages + `,"model":"m"}`: nil,
	} {
		request, err := Decode([]byte(body), "id", now)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if members := &request.Source.Members; members.Known() {
			got = map[string]string{}
			for _, member := range members.All() {
				got[member.Name] = string(request.Source.JSON[member.From:member.To])
			}
		}
		if !maps.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		want chat.Request
	}{
		"plain": {
			`{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}`,
			chat.Request{Model: "gpt-4o", Messages: []chat.Message{{Role: chat.User, Parts: text("hi")}}},
		},
		"a byte order mark": {
			"\xef\xbb\xbf" + `{"model":"m","messages":[{"role":"user","content":"hi"}]}`,
			chat.Request{Model: "m", Messages: []chat.Message{{Role: chat.User, Parts: text("hi")}}},
		},
		"all that it names": {
			`{"messages":[{"content":"a\n\u00e9😀","role":"system"}],"stream":true,"stream_options":{"include_usage":true,"x":1},"user":"u","prompt_cache_key":"k","model":"m","temperature":0.1}`,
			chat.Request{Model: "m", Stream: true, IncludeUsage: true, User: "u", Session: "k", Sampling: chat.Sampling{Temperature: new(0.1)}, Messages: []chat.Message{{Role: chat.System, Parts: text("a\né😀")}}, Asks: []chat.Ask{
				{Field: "user", Need: chat.Tuning}, {Field: "prompt_cache_key", Need: chat.Tuning}, {Field: "temperature", Need: chat.Tuning},
			}},
		},
		"role aliases": {
			`{"model":"m","messages":[{"role":"developer","content":"1"},{"role":"human","content":"2"},{"role":"ai","content":"3"},{"role":"function","name":"f","content":"4"}]}`,
			chat.Request{Model: "m", Messages: []chat.Message{
				{Role: chat.System, Developer: true, Parts: text("1")},
				{Role: chat.User, Parts: text("2")},
				{Role: chat.Assistant, Parts: text("3")},
				{Role: chat.Tool, Name: "f", Parts: []chat.Part{{Result: &chat.Result{CallID: "f", Name: "f", Parts: text("4")}}}},
			}, Asks: []chat.Ask{{Field: "messages.name", Need: chat.Tuning}}},
		},
		"parts": {
			`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA==","detail":"low"}},{"type":"image_url","image_url":"https://x/y.png"},{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}]}]}`,
			chat.Request{Model: "m", Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{
				{Text: "see"},
				{Image: &chat.Image{URL: "data:image/png;base64,AA==", Detail: "low"}},
				{Image: &chat.Image{URL: "https://x/y.png"}},
				{Audio: &chat.Audio{Base64: "AA", Format: "wav"}},
			}}}, Asks: []chat.Ask{{Field: "messages.detail", Need: chat.Tuning}}},
		},
		"files": {
			`{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AA"}}]}]}`,
			chat.Request{Model: "m", Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{
				{Document: &chat.Document{FileID: "f"}},
				{Document: &chat.Document{URL: "data:application/pdf;base64,AA", Name: "a.pdf", MediaType: "application/pdf"}},
			}}}},
		},
		"only a part that the canonical form has no room for": {
			`{"model":"m","messages":[{"role":"user","content":[{"type":"video_url","video_url":"u"}]}]}`,
			chat.Request{Model: "m", Messages: []chat.Message{{Role: chat.User, Parts: []chat.Part{
				{Opaque: &chat.Opaque{Dialect: Dialect, Type: "video_url", JSON: []byte(`{"type":"video_url","video_url":"u"}`)}},
			}}}},
		},
		"tools": {
			`{"model":"m","tools":[{"type":"function"}],"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"c2","type":"custom","custom":{"name":"g","input":"x"}}]},{"role":"tool","tool_call_id":"c1","content":"42"}]}`,
			chat.Request{Model: "m", Messages: []chat.Message{
				{Role: chat.Assistant, Parts: []chat.Part{{Call: &chat.Call{ID: "c1", Name: "f", Arguments: `{"a":1}`}}, {Call: &chat.Call{ID: "c2", Name: "g", Arguments: "x", Custom: true}}}},
				{Role: chat.Tool, Parts: []chat.Part{{Result: &chat.Result{CallID: "c1", Parts: text("42")}}}},
			}, Tools: []chat.ToolSpec{{Kind: chat.Function, Own: own("function", `{"type":"function"}`)}}, Asks: []chat.Ask{{Field: "tools", Need: chat.Tools}}},
		},
		"asks": {
			`{"model":"m","tools":[{"type":"function"}],"functions":null,"tool_choice":"none","function_call":{"name":"f"},"n":2,"logprobs":true,"top_logprobs":0,` +
				`"response_format":{"type":"json_schema","json_schema":{}},"audio":{},"modalities":["text","audio"],"prediction":{},"web_search_options":{},` +
				`"logit_bias":{"1":-100},"seed":1,"invented":true,"messages":[{"role":"user","content":"x"}]}`,
			chat.Request{
				Model: "m", Messages: []chat.Message{{Role: chat.User, Parts: text("x")}},
				Tools:      []chat.ToolSpec{{Kind: chat.Function, Own: own("function", `{"type":"function"}`)}},
				ToolChoice: chat.ToolChoice{Mode: chat.ToolsRequired, Names: []string{"f"}},
				Output:     chat.Output{Form: chat.SchemaOutput}, Sampling: chat.Sampling{LogitBias: []byte(`{"1":-100}`), Seed: new(int64(1))},
				Asks: []chat.Ask{
					{Field: "tools", Need: chat.Tools},
					{Field: "function_call", Need: chat.Tools},
					{Field: "n", Need: chat.Choices},
					{Field: "logprobs", Need: chat.LogProbs},
					{Field: "response_format", Need: chat.JSONSchema},
					{Field: "audio", Need: chat.Media},
					{Field: "modalities", Need: chat.Media},
					{Field: "prediction", Need: chat.Prediction},
					{Field: "web_search_options", Need: chat.WebSearch},
					{Field: "logit_bias", Need: chat.Words},
					{Field: "seed", Need: chat.Tuning},
					{Field: "other", Need: chat.Tuning},
				},
			},
		},
		"asks for nothing": {
			`{"model":"m","tools":[],"functions":null,"tool_choice":"auto","n":1,"logprobs":false,"top_logprobs":null,"response_format":{"type":"text"},"audio":null,` +
				`"modalities":["text"],"prediction":null,"logit_bias":{},"stop":[],"max_tokens":-1,"max_completion_tokens":null,"messages":[{"role":"user","content":"x"}]}`,
			chat.Request{
				Model: "m", Messages: []chat.Message{{Role: chat.User, Parts: text("x")}},
				ToolChoice: chat.ToolChoice{Mode: chat.ToolsAuto}, Sampling: chat.Sampling{LogitBias: []byte(`{}`)},
			},
		},
		"asks that only upstreams may understand": {
			`{"model":"m","n":"two","logprobs":{},"response_format":{"type":"regex"},"modalities":"text","logit_bias":{"1":"x"},"stop":[5],"max_tokens":1.5,` +
				`"max_completion_tokens":"many","messages":[{"role":"user","content":"x"}]}`,
			chat.Request{Model: "m", Messages: []chat.Message{{Role: chat.User, Parts: text("x")}}, Sampling: chat.Sampling{LogitBias: []byte(`{"1":"x"}`)}, Asks: []chat.Ask{
				{Field: "n", Need: chat.Unclear},
				{Field: "logprobs", Need: chat.Unclear},
				{Field: "response_format", Need: chat.Unclear},
				{Field: "modalities", Need: chat.Media},
				{Field: "logit_bias", Need: chat.Unclear},
				{Field: "stop", Need: chat.Unclear},
				{Field: "max_tokens", Need: chat.Unclear},
				{Field: "max_completion_tokens", Need: chat.Unclear},
			}},
		},
		"where the answer ends": {
			`{"model":"m","stop":["a","","é"],"max_tokens":20,"max_completion_tokens":10,"response_format":{"type":"json_object"},"logit_bias":{"1":5},"messages":[{"role":"user","content":"x"}]}`,
			chat.Request{
				Model: "m", Messages: []chat.Message{{Role: chat.User, Parts: text("x")}}, MaxTokens: 10, Stop: []string{"a", "é"},
				Output: chat.Output{Form: chat.JSONOutput}, Sampling: chat.Sampling{LogitBias: []byte(`{"1":5}`)},
				Asks: []chat.Ask{{Field: "response_format", Need: chat.JSONObject}, {Field: "logit_bias", Need: chat.Tuning}},
			},
		},
		"where the answer ends, in one text": {
			`{"model":"m","stop":"END","messages":[{"role":"user","content":"x"}]}`,
			chat.Request{Model: "m", Messages: []chat.Message{{Role: chat.User, Parts: text("x")}}, Stop: []string{"END"}},
		},
		"an assistant that refused": {
			`{"model":"m","messages":[{"role":"assistant","refusal":"no"}]}`,
			chat.Request{Model: "m", Messages: []chat.Message{{Role: chat.Assistant, Parts: []chat.Part{{Text: "no", Refusal: true}}}}},
		},
		"asks of messages": {
			`{"model":"m","messages":[{"role":"user","name":"ann","content":[{"type":"image_url","image_url":{"url":"u","detail":"high"}},{"type":"image_url","image_url":{"url":"v","detail":"auto"}}]},` +
				`{"role":"user","name":"bob","content":"x"},{"role":"assistant","function_call":{"name":"f"}},{"role":"assistant","audio":{"id":"a"}},` +
				`{"role":"assistant","content":"c","refusal":null,"audio":null,"function_call":null,"name":null}]}`,
			chat.Request{
				Model: "m", Messages: []chat.Message{
					{Role: chat.User, Name: "ann", Parts: []chat.Part{{Image: &chat.Image{URL: "u", Detail: "high"}}, {Image: &chat.Image{URL: "v", Detail: "auto"}}}},
					{Role: chat.User, Name: "bob", Parts: text("x")},
					{Role: chat.Assistant, Parts: []chat.Part{{Call: &chat.Call{ID: "f", Name: "f"}}}},
					{Role: chat.Assistant},
					{Role: chat.Assistant, Parts: text("c")},
				},
				Asks: []chat.Ask{
					{Field: "messages.name", Need: chat.Tuning},
					{Field: "messages.detail", Need: chat.Tuning},
					{Field: "messages[3].audio", Need: chat.Content},
				},
			},
		},
		"an assistant that refused, in a part": {
			`{"model":"m","messages":[{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}]}`,
			chat.Request{Model: "m", Messages: []chat.Message{{Role: chat.Assistant, Parts: []chat.Part{{Text: "no", Refusal: true}}}}},
		},
		"null means absent": {
			`{"model":"m","stream":null,"stream_options":null,"user":null,"messages":[{"role":"user","content":"","tool_calls":null,"tool_call_id":null}]}`,
			chat.Request{Model: "m", Messages: []chat.Message{{Role: chat.User, Parts: text("")}}},
		},
		"the last of equal keys counts": {
			`{"model":"a","model":"b","messages":[],"messages":[{"role":"user","content":"1","content":"2"}]}`,
			chat.Request{Model: "b", Messages: []chat.Message{{Role: chat.User, Parts: text("2")}}},
		},
		"escaped keys": {
			`{"\u006dodel":"m","messages":[{"r\u006fle":"user","content":"x"}]}`,
			chat.Request{Model: "m", Messages: []chat.Message{{Role: chat.User, Parts: text("x")}}},
		},
		"half a surrogate": {
			`{"model":"m","messages":[{"role":"user","content":"a\ud83d b"}]}`,
			chat.Request{Model: "m", Messages: []chat.Message{{Role: chat.User, Parts: text("a\ufffd b")}}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.ID, test.want.Created = "id", now
			test.want.Source = chat.Source{Dialect: "openai", JSON: bytes.TrimPrefix([]byte(test.body), byteOrderMark)}
			got, err := Decode([]byte(test.body), "id", now)
			if err != nil {
				t.Fatal(err)
			}
			got.Locate = nil                    // functions can't be compared
			got.Source.Members = chat.Members{} // see TestMembersOfABody
			if !reflect.DeepEqual(*got, test.want) {
				t.Errorf("got  %+v\nwant %+v", *got, test.want)
			}
		})
	}
}

// own is a tool's whole definition.
func own(kind, json string) *chat.Opaque {
	return &chat.Opaque{Dialect: Dialect, Type: kind, JSON: []byte(json)}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	message := func(m string) string { return `{"model":"m","messages":[{"role":"user","content":"x"},` + m + `]}` }
	tests := []struct {
		name, body   string
		kind         chat.Kind
		param, words string
	}{
		{"nothing", ``, chat.InvalidRequest, "", "is empty"},
		{"no JSON", `hello`, chat.InvalidRequest, "", "at byte 0"},
		{"cut off", `{"model":"m","messages":[{"role":"us`, chat.InvalidRequest, "", "ends inside a string at byte 36"},
		{"trailing comma", `{"model":"m",}`, chat.InvalidRequest, "", "at byte 13"},
		{"two values", `{"model":"m","messages":[{"role":"user","content":"x"}]} {}`, chat.InvalidRequest, "", "at byte 57"},
		{"not an object", `[1]`, chat.InvalidRequest, "", "must be a JSON object, but is an array"},
		{"invalid UTF-8", "{\"model\":\"\xff\"}", chat.InvalidRequest, "", "UTF-8: see byte 10"},
		{"too deep", `{"x":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`, chat.InvalidRequest, "", "nested deeper than 512 levels"},
		{"no model", `{"messages":[{"role":"user","content":"x"}]}`, chat.InvalidRequest, "model", "missing"},
		{"empty model", `{"model":"","messages":[{"role":"user","content":"x"}]}`, chat.InvalidRequest, "model", "missing"},
		{"model is a number", `{"model":1}`, chat.InvalidRequest, "model", "must be a string, but is a number"},
		{"no messages", `{"model":"m"}`, chat.InvalidRequest, "messages", "missing"},
		{"null messages", `{"model":"m","messages":null}`, chat.InvalidRequest, "messages", "`messages` is missing"},
		{"empty messages", `{"model":"m","messages":[]}`, chat.EmptyMessages, "messages", "empty"},
		{"stream is text", `{"model":"m","stream":"yes","messages":[]}`, chat.InvalidRequest, "stream", "must be a boolean, but is a string"},
		{"options are a list", `{"model":"m","stream_options":[]}`, chat.InvalidRequest, "stream_options", "an object"},
		{"include_usage is a number", `{"stream_options":{"include_usage":1}}`, chat.InvalidRequest, "stream_options.include_usage", "a boolean"},
		{"user is a number", `{"user":7}`, chat.InvalidRequest, "user", "a string"},
		{"message is text", message(`"hi"`), chat.InvalidRequest, "messages[1]", "must be an object, but is a string"},
		{"no role", message(`{"content":"x"}`), chat.InvalidRequest, "messages[1].role", "missing"},
		{"unknown role", message(`{"role":"robot","content":"x"}`), chat.InvalidRequest, "messages[1].role", `but is "robot"`},
		{"role is null", message(`{"role":null,"content":"x"}`), chat.InvalidRequest, "messages[1].role", "a string, but is null"},
		{"no content", message(`{"role":"user"}`), chat.InvalidRequest, "messages[1].content", "missing"},
		{"null content", message(`{"role":"user","content":null}`), chat.InvalidRequest, "messages[1].content", "missing"},
		{"content is a number", message(`{"role":"user","content":3}`), chat.InvalidRequest, "messages[1].content", "but is a number"},
		{"part is text", message(`{"role":"user","content":["x"]}`), chat.InvalidRequest, "messages[1].content[0]", "an object, but is a string"},
		{"part without type", message(`{"role":"user","content":[{"type":"text","text":"a"},{"text":"x"}]}`), chat.InvalidRequest, "messages[1].content[1].type", "missing"},
		{"text part without text", message(`{"role":"user","content":[{"type":"text"}]}`), chat.InvalidRequest, "messages[1].content[0].text", "missing"},
		{"text part with a number", message(`{"role":"user","content":[{"type":"text","text":1}]}`), chat.InvalidRequest, "messages[1].content[0].text", "a string"},
		{"image part without image", message(`{"role":"user","content":[{"type":"image_url"}]}`), chat.InvalidRequest, "messages[1].content[0].image_url", "missing"},
		{"image without url", message(`{"role":"user","content":[{"type":"image_url","image_url":{}}]}`), chat.InvalidRequest, "messages[1].content[0].image_url.url", "missing"},
		{"image is a number", message(`{"role":"user","content":[{"type":"image_url","image_url":1}]}`), chat.InvalidRequest, "messages[1].content[0].image_url", "an object with"},
		{"tool message without id", message(`{"role":"tool","content":"x"}`), chat.InvalidRequest, "messages[1].tool_call_id", "missing"},
		{"arguments are a number", message(`{"role":"assistant","tool_calls":[{"id":"1","function":{"name":"f","arguments":1}}]}`), chat.InvalidRequest, "messages[1].tool_calls[0].function.arguments", "a string, but is a number"},
		{"calls are an object", message(`{"role":"assistant","tool_calls":{}}`), chat.InvalidRequest, "messages[1].tool_calls", "an array"},
		{"a fault inside a message", message(`{"role":"user","content":[{"type":}]}`), chat.InvalidRequest, "", "not valid JSON"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			req, err := Decode([]byte(test.body), "id", now)
			var got *chat.Error
			if strings.HasPrefix(test.param, "messages[") { // an upstream may see no fault in it
				if err != nil {
					t.Fatal(err)
				}
				got = req.HistoryFault
			} else if !errors.As(err, &got) || req != nil {
				t.Fatalf("got %v, %v", req, err)
			}
			if got.Kind != test.kind || got.Param != test.param || !strings.Contains(got.Message, test.words) {
				t.Errorf("got %s, param %q: %s", got.Kind, got.Param, got.Message)
			}
		})
	}
}

// What a faulty message does not spoil is read: the other messages, and what it says
// before its fault.
func TestDecodeGoesOnAfterAFaultyMessage(t *testing.T) {
	t.Parallel()
	req, err := Decode([]byte(`{"messages":[{"role":"user","content":"a"},{"role":"user","content":null},`+
		`{"content":"b","role":7},{"role":"user","content":"c"}],"model":"m","stream":true}`), "id", now)
	if err != nil || req.HistoryFault == nil || req.HistoryFault.Param != "messages[1].content" {
		t.Fatalf("got %v, %+v", err, req)
	}
	want := []chat.Message{
		{Role: chat.User, Parts: text("a")}, {Role: chat.User}, {Parts: text("b")}, {Role: chat.User, Parts: text("c")},
	}
	if !reflect.DeepEqual(req.Messages, want) || req.Model != "m" || !req.Stream {
		t.Errorf("got %+v", req)
	}
}

func TestDecodeKeepsNoPieceOfTheBodyButSource(t *testing.T) {
	t.Parallel()
	body := []byte(`{"model":"m","messages":[{"role":"user","content":"hello there"}]}`)
	req, err := Decode(body, "id", now)
	if err != nil {
		t.Fatal(err)
	}
	for i := range body {
		body[i] = 'x'
	}
	if req.Model != "m" || req.Messages[0].Text() != "hello there" {
		t.Fatalf("got %+v", req)
	}
}

// What Decode accepts is valid JSON, and the texts are what encoding/json reads.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"model":"gpt-4o","messages":[{"role":"user","content":"h\u0069 \ud83d\ude00"}],"stream":true}`))
	f.Add([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:,"}}]}]}`))
	f.Add([]byte(`{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"x"}]}`))
	f.Add([]byte(`{"model":}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := Decode(body, "id", now)
		if err != nil {
			var own *chat.Error
			if !errors.As(err, &own) || own.Message == "" {
				t.Fatalf("untyped or wordless error %v", err)
			}
			return
		}
		body = bytes.TrimPrefix(body, byteOrderMark)
		if !json.Valid(body) || !bytes.Equal(req.Source.JSON, body) {
			t.Fatalf("accepted %q", body)
		}
		var generic map[string]any
		if err := json.Unmarshal(body, &generic); err != nil {
			t.Fatal(err)
		}
		if generic["model"] != req.Model || len(generic["messages"].([]any)) != len(req.Messages) {
			t.Fatalf("%q became %+v", body, req)
		}
		for i, message := range generic["messages"].([]any) {
			if content, plain := message.(map[string]any)["content"].(string); plain && req.HistoryFault == nil && content != said(req.Messages[i]) {
				t.Fatalf("message %d: %q, want %q", i, said(req.Messages[i]), content)
			}
		}
	})
}

// said is the text of a message, or of the result in it.
func said(message chat.Message) string {
	if message.Role == chat.Tool {
		return chat.Text(message.Parts[0].Result.Parts)
	}
	return message.Text()
}

func BenchmarkDecode(b *testing.B) {
	body := []byte(`{"model":"gpt-4o","stream":true,"temperature":0.7,"messages":[` +
		`{"role":"system","content":"You are a helpful assistant.\nAnswer briefly."},` +
		`{"role":"user","content":"` + strings.Repeat("What is the answer? ", 20) + `"}]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(body, "chatcmpl-1", now); err != nil {
			b.Fatal(err)
		}
	}
}

func TestPlacesOfWhatStandsBesideTheContent(t *testing.T) {
	t.Parallel()
	req, err := Decode([]byte(`{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":"u"}]},`+
		`{"role":"assistant","reasoning_content":"hm","content":"b","tool_calls":[{"id":"c","function":{"name":"f"}},{"id":"d","function":{"name":"f"}}]},`+
		`{"role":"tool","tool_call_id":"c","content":"1"},{"role":"assistant","function_call":{"name":"f"}}]}`), "id", now)
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	for i := range req.Messages {
		places = append(places, req.Place(i, -1))
		for j := range req.Messages[i].Parts {
			places = append(places, req.Place(i, j))
		}
	}
	want := []string{
		"messages[0]", "messages[0].content[0]", "messages[0].content[1]",
		"messages[1]", "messages[1].reasoning_content", "messages[1].content[0]", "messages[1].tool_calls[0]", "messages[1].tool_calls[1]",
		"messages[2]", "messages[2]", "messages[3]", "messages[3].function_call",
	}
	if !reflect.DeepEqual(places, want) {
		t.Errorf("got  %q\nwant %q", places, want)
	}
}
