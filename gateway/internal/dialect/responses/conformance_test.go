package responses_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"carousel.internal/gateway/grammar"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/dialecttest"
)

var harness = dialecttest.Harness{
	API: api, Judge: grammar.Responses, Header: codexHeader,
	Good: func(stream bool) string {
		question, _ := json.Marshal(dialecttest.Question)
		return fmt.Sprintf(`{"model":"model-1","stream":%t,"input":[{"role":"user","content":[{"type":"input_text","text":%s}]}]}`, stream, question)
	},
	Faults: map[string]dialecttest.Fault{
		"no model":                   at("model", `{"input":"Hi"}`),
		"a model of another type":    at("model", `{"model":1,"input":"Hi"}`),
		"input as a number":          at("input", `{"model":"m","input":7}`),
		"input as an object":         at("input", `{"model":"m","input":{}}`),
		"instructions as a number":   at("instructions", `{"model":"m","input":"Hi","instructions":7}`),
		"stream as text":             at("stream", `{"model":"m","stream":"yes","input":"Hi"}`),
		"store as text":              at("store", `{"model":"m","store":"yes","input":"Hi"}`),
		"a limit as text":            at("max_output_tokens", `{"model":"m","max_output_tokens":"1","input":"Hi"}`),
		"a fraction as limit":        at("max_output_tokens", `{"model":"m","max_output_tokens":1.5,"input":"Hi"}`),
		"temperature as text":        at("temperature", `{"model":"m","temperature":"hot","input":"Hi"}`),
		"reasoning as text":          at("reasoning", `{"model":"m","reasoning":"high","input":"Hi"}`),
		"an effort as a number":      at("reasoning.effort", `{"model":"m","reasoning":{"effort":1},"input":"Hi"}`),
		"text as text":               at("text", `{"model":"m","text":"plain","input":"Hi"}`),
		"a schema as text":           at("text.format.schema", `{"model":"m","text":{"format":{"type":"json_schema","schema":"x"}},"input":"Hi"}`),
		"no schema":                  at("text.format.schema", `{"model":"m","text":{"format":{"type":"json_schema","name":"n"}},"input":"Hi"}`),
		"include as text":            at("include", `{"model":"m","include":"all","input":"Hi"}`),
		"tools as an object":         at("tools", `{"model":"m","tools":{},"input":"Hi"}`),
		"a tool as text":             at("tools[0]", `{"model":"m","tools":["f"],"input":"Hi"}`),
		"a tool without a name":      at("tools[1].name", `{"model":"m","tools":[{"type":"function","name":"f"},{"type":"function"}],"input":"Hi"}`),
		"behind a namespace":         at("tools[1].name", `{"model":"m","tools":[{"type":"namespace","name":"a","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}]},{"type":"function"}],"input":"Hi"}`),
		"parameters as text":         at("tools[0].parameters", `{"model":"m","tools":[{"type":"function","name":"f","parameters":"{}"}],"input":"Hi"}`),
		"a fault within a namespace": at("tools[0].tools[0].name", `{"model":"m","tools":[{"type":"namespace","name":"a","tools":[{"type":"function"}]}],"input":"Hi"}`),
		"a namespace without end":    at("tools[0].name", `{"model":"m","tools":[{"type":"namespace","name":"`+strings.Repeat("a", 257)+`","tools":[]}],"input":"Hi"}`),
		"a choice of nothing":        at("tool_choice.name", `{"model":"m","tool_choice":{"type":"function"},"input":"Hi"}`),
		"a choice as a number":       at("tool_choice", `{"model":"m","tool_choice":1,"input":"Hi"}`),
	},
	HistoryFaults: map[string]dialecttest.Fault{
		"a choice of no tool":     at("tool_choice", `{"model":"m","tool_choice":{"type":"function","name":"g"},"tools":[{"type":"function","name":"f"}],"input":"Hi"}`),
		"Chat's messages":         at("messages", `{"model":"m","messages":[{"role":"user","content":"Hi"}]}`),
		"Chat's limit":            at("max_tokens", `{"model":"m","max_tokens":9,"input":"Hi"}`),
		"Chat's newer limit":      at("max_completion_tokens", `{"model":"m","max_completion_tokens":9,"input":"Hi"}`),
		"Chat's form of answers":  at("response_format", `{"model":"m","input":"Hi","response_format":{"type":"json_object"}}`),
		"Chat's effort":           at("reasoning_effort", `{"model":"m","input":"Hi","reasoning_effort":"high"}`),
		"Chat's functions":        at("functions", `{"model":"m","input":"Hi","functions":[{"name":"f"}]}`),
		"Chat's ends":             at("stop", `{"model":"m","stop":["END"],"input":[{"role":"user","content":"Hi"}]}`),
		"Chat's choices":          at("n", `{"model":"m","n":2,"input":"Hi"}`),
		"Chat's sounds":           at("modalities", `{"model":"m","modalities":["text","audio"],"input":"Hi"}`),
		"no input":                at("input", `{"model":"m"}`),
		"an empty text":           at("input", `{"model":"m","input":""}`),
		"no item":                 at("input", said(``)),
		"instructions alone":      at("input", `{"model":"m","instructions":"Be brief"}`),
		"no object":               at("input[0]", said(`"Hi"`)),
		"a type as a number":      at("input[1].type", said(`{"role":"user","content":"Hi"},{"type":1}`)),
		"no role":                 at("input[0].role", said(`{"content":"Hi"}`)),
		"an unknown role":         at("input[0].role", said(`{"role":"narrator","content":"Hi"}`)),
		"no content":              at("input[0].content", said(`{"role":"user"}`)),
		"content as a number":     at("input[0].content", said(`{"role":"user","content":1}`)),
		"a part as text":          at("input[0].content[0]", said(`{"role":"user","content":["Hi"]}`)),
		"a part without a type":   at("input[0].content[0].type", said(`{"role":"user","content":[{"text":"Hi"}]}`)),
		"a text without text":     at("input[0].content[1].text", said(`{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text"}]}`)),
		"an image from nowhere":   at("input[0].content[0].image_url", said(`{"role":"user","content":[{"type":"input_image"}]}`)),
		"a file of nothing":       at("input[0].content[0].file_data", said(`{"role":"user","content":[{"type":"input_file","filename":"a"}]}`)),
		"a sound of nothing":      at("input[0].content[0].input_audio.data", said(`{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}`)),
		"a call of nothing":       at("input[0].name", said(`{"type":"function_call","call_id":"c","arguments":"{}"}`)),
		"arguments as a number":   at("input[0].arguments", said(`{"type":"function_call","call_id":"c","name":"f","arguments":1}`)),
		"free text as an object":  at("input[0].input", said(`{"type":"custom_tool_call","call_id":"c","name":"f","input":{}}`)),
		"no free text":            at("input[0].input", said(`{"type":"custom_tool_call","call_id":"c","name":"f"}`)),
		"a result of nothing":     at("input[0].call_id", said(`{"type":"function_call_output","output":"x"}`)),
		"a result as a number":    at("input[0].output", said(`{"type":"function_call_output","call_id":"c","output":1}`)),
		"a fault within a result": at("input[0].output[0].text", said(`{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":1}]}`)),
		"a seal as a number":      at("input[0].encrypted_content", said(`{"type":"reasoning","summary":[],"encrypted_content":1}`)),
		"a summary as text":       at("input[0].summary[0]", said(`{"type":"reasoning","summary":[1]}`)),
	},
	ReadStream: readStream, ReadWhole: readWhole, Native: native,
}

// at is a request with a fault in that field.
func at(field, body string) dialecttest.Fault {
	return dialecttest.Fault{Body: body, Param: field}
}

// said is a request with these items.
func said(items string) string { return `{"model":"m","input":[` + items + `]}` }

func TestConformance(t *testing.T) {
	t.Parallel()
	dialecttest.Run(t, harness)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(codex))
	dialecttest.FuzzDecode(f, harness)
}

func FuzzAnswers(f *testing.F) { dialecttest.FuzzAnswers(f, harness) }

func readWhole(answer []byte) (dialecttest.Said, error) {
	var r wireResponse
	if err := json.Unmarshal(answer, &r); err != nil {
		return dialecttest.Said{}, err
	}
	return r.said(), usable(&r)
}

func readStream(wire []byte) (dialecttest.Said, error) {
	r, err := read(string(wire))
	if err != nil {
		return dialecttest.Said{}, err
	}
	return r.said(), nil
}

func (r *wireResponse) said() dialecttest.Said {
	said := dialecttest.Said{ID: r.ID, Model: r.Model, Finish: r.Status}
	if r.Incomplete != nil {
		said.Finish += " " + r.Incomplete.Reason
	}
	if r.Usage != nil {
		said.Prompt, said.Completion = r.Usage.Input, r.Usage.Output
	}
	for _, item := range r.Output {
		switch item.Type {
		case "message":
			for _, part := range item.Content {
				said.Text += part.Text
				said.Refusal += part.Refusal
			}
		case "reasoning":
			said.Reasoning += allOf(item)
			if item.Sealed != nil {
				said.Reasoning += *item.Sealed
			}
		default:
			said.Calls = append(said.Calls, dialecttest.Call{ID: item.CallID, Name: item.Name, Arguments: item.Arguments + item.Input})
		}
	}
	return said
}

func native(request *chat.Request) []chat.Event { return nativeEvents(request.Model) }

// codex is a turn as Codex sends one.
const codex = `{"model":"fable","instructions":"You are a coding agent.","input":[
 {"type":"message","role":"developer","content":[{"type":"input_text","text":"<permissions instructions>"}]},
 {"type":"message","role":"user","content":[{"type":"input_text","text":"Look at it."}]},
 {"type":"reasoning","summary":[{"type":"summary_text","text":"Hm."}],"content":null,"encrypted_content":"carousel:anthropic:c2VhbA=="},
 {"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look."}],"phase":"commentary"},
 {"type":"function_call","name":"exec_command","arguments":"{\"cmd\":\"ls\"}","call_id":"call_1"},
 {"type":"function_call","name":"read","namespace":"mcp__files","arguments":"{}","call_id":"call_2"},
 {"type":"custom_tool_call","status":"completed","call_id":"call_3","name":"apply_patch","input":"*** Begin Patch"},
 {"type":"web_search_call","status":"completed","action":{"type":"search","query":"q"}},
 {"type":"function_call_output","call_id":"call_1","output":"Exit code: 0"},
 {"type":"function_call_output","call_id":"call_2","output":[{"type":"input_text","text":"seen"},{"type":"input_image","image_url":"data:image/png;base64,AA=="}]},
 {"type":"custom_tool_call_output","call_id":"call_3","output":"Done!"}],
 "tools":[{"type":"function","name":"exec_command","description":"Runs a command.","strict":false,"parameters":{"type":"object","properties":{"cmd":{"type":"string"}},"required":["cmd"],"additionalProperties":false}},
  {"type":"custom","name":"apply_patch","description":"Edits files.","format":{"type":"grammar","syntax":"lark","definition":"start: begin"}},
  {"type":"namespace","name":"mcp__files","description":"Tools of files","tools":[{"type":"function","name":"read","description":"d","strict":false,"parameters":{"type":"object","properties":{}}}]},
  {"type":"namespace","name":"mcp__web","description":"Tools of the web","tools":[{"type":"function","name":"read","description":"d","strict":false,"parameters":{"type":"object","properties":{}}}]},
  {"type":"tool_search","execution":"client","description":"d","parameters":{"type":"object"}},
  {"type":"web_search","external_web_access":false}],
 "tool_choice":"auto","parallel_tool_calls":true,"reasoning":{"effort":"medium","summary":"auto"},"store":false,"stream":true,
 "include":["reasoning.encrypted_content"],"prompt_cache_key":"0199","client_metadata":{"session_id":"0199"},"text":{"verbosity":"low"}}`
