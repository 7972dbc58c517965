package anthropic_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"carousel.internal/gateway/grammar"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/anthropic"
	"carousel.internal/gateway/internal/dialect/dialecttest"
)

var harness = dialecttest.Harness{
	API: anthropic.API{}, Judge: grammar.Messages,
	Header: http.Header{"Anthropic-Version": {"2023-06-01"}},
	Good: func(stream bool) string {
		question, _ := json.Marshal(dialecttest.Question)
		return fmt.Sprintf(`{"model":"model-1","max_tokens":10,"stream":%t,"messages":[{"role":"user","content":%s}]}`, stream, question)
	},
	Faults: map[string]dialecttest.Fault{
		"no model":                at("model", `{"max_tokens":1,"messages":[{"role":"user","content":"Hi"}]}`),
		"no messages":             at("messages", `{"model":"m","max_tokens":1}`),
		"no limit":                at("max_tokens", `{"model":"m","messages":[{"role":"user","content":"Hi"}]}`),
		"a model of another type": at("model", `{"model":1,"max_tokens":1,"messages":[]}`),
		"messages as text":        at("messages", `{"model":"m","max_tokens":1,"messages":"Hi"}`),
		"a limit as text":         at("max_tokens", `{"model":"m","max_tokens":"1","messages":[]}`),
		"a limit below zero":      at("max_tokens", `{"model":"m","max_tokens":-1,"messages":[]}`),
		"a fraction as limit":     at("max_tokens", `{"model":"m","max_tokens":1.5,"messages":[]}`),
		"stream as text":          at("stream", `{"model":"m","max_tokens":1,"stream":"yes","messages":[]}`),
		"tools as an object":      at("tools", `{"model":"m","max_tokens":1,"tools":{},"messages":[]}`),
		"a tool without a name":   at("tools.0.name", `{"model":"m","max_tokens":1,"tools":[{"input_schema":{}}],"messages":[]}`),
		"a tool without a schema": at("tools.0.input_schema", `{"model":"m","max_tokens":1,"tools":[{"name":"a"}],"messages":[]}`),
		"a choice without a type": at("tool_choice.type", `{"model":"m","max_tokens":1,"tool_choice":{},"messages":[]}`),
		"a choice of nothing":     at("tool_choice.name", `{"model":"m","max_tokens":1,"tool_choice":{"type":"tool"},"messages":[]}`),
		"temperature as text":     at("temperature", `{"model":"m","max_tokens":1,"temperature":"hot","messages":[]}`),
		"a stop that is none":     at("stop_sequences.1", `{"model":"m","max_tokens":1,"stop_sequences":["a",1],"messages":[]}`),
		"thinking as a truth":     at("thinking", `{"model":"m","max_tokens":1,"thinking":true,"messages":[]}`),
		"a schema as text":        at("output_config.format.schema", `{"model":"m","max_tokens":1,"output_config":{"format":{"type":"json_schema","schema":"x"}},"messages":[]}`),
		"metadata as text":        at("metadata", `{"model":"m","max_tokens":1,"metadata":"me","messages":[]}`),
		"instructions as truth":   at("system", `{"model":"m","max_tokens":1,"system":true,"messages":[]}`),
		"an instruction of none":  at("system.0.text", `{"model":"m","max_tokens":1,"system":[{"type":"text"}],"messages":[]}`),
	},
	HistoryFaults: map[string]dialecttest.Fault{
		"no message":              at("messages", said(``)),
		"no object":               at("messages.0", said(`"Hi"`)),
		"no role":                 at("messages.0.role", said(`{"content":"Hi"}`)),
		"an unknown role":         at("messages.0.role", said(`{"role":"tool","content":"Hi"}`)),
		"no content":              at("messages.0.content", said(`{"role":"user"}`)),
		"content as a number":     at("messages.0.content", said(`{"role":"user","content":1}`)),
		"null as content":         at("messages.1.content", said(`{"role":"user","content":"Hi"},{"role":"assistant","content":null}`)),
		"a block as text":         at("messages.0.content.0", said(`{"role":"user","content":["Hi"]}`)),
		"a block without a type":  at("messages.0.content.0.type", said(`{"role":"user","content":[{"text":"Hi"}]}`)),
		"a text without text":     at("messages.0.content.0.text", said(`{"role":"user","content":[{"type":"text"}]}`)),
		"a text as a list":        at("messages.0.content.1.text", said(`{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":[]}]}`)),
		"an image from nowhere":   at("messages.0.content.0.source", said(`{"role":"user","content":[{"type":"image"}]}`)),
		"an image of no type":     at("messages.0.content.0.source.media_type", said(`{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"AA=="}}]}`)),
		"an image without bytes":  at("messages.0.content.0.source.data", said(`{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png"}}]}`)),
		"a call without an id":    at("messages.0.content.0.id", said(`{"role":"assistant","content":[{"type":"tool_use","name":"a","input":{}}]}`)),
		"a call without input":    at("messages.0.content.0.input", said(`{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"a"}]}`)),
		"a call's input as text":  at("messages.0.content.0.input", said(`{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"a","input":"{}"}]}`)),
		"a result of nothing":     at("messages.0.content.0.tool_use_id", said(`{"role":"user","content":[{"type":"tool_result"}]}`)),
		"a fault within a result": at("messages.0.content.0.content.0.text", said(`{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":1}]}]}`)),
		"thinking of a number":    at("messages.0.content.0.thinking", said(`{"role":"assistant","content":[{"type":"thinking","thinking":1}]}`)),
		"hidden thinking of none": at("messages.0.content.0.data", said(`{"role":"assistant","content":[{"type":"redacted_thinking"}]}`)),
	},
	ReadStream: readStream, ReadWhole: readWhole, Native: native,
}

// at is a request with a fault in that field.
func at(field, body string) dialecttest.Fault {
	return dialecttest.Fault{Body: body, Param: field}
}

// said is a request with these messages.
func said(messages string) string {
	return `{"model":"m","max_tokens":1,"messages":[` + messages + `]}`
}

func TestConformance(t *testing.T) {
	t.Parallel()
	dialecttest.Run(t, harness)
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(claudeCode))
	dialecttest.FuzzDecode(f, harness)
}

func FuzzAnswers(f *testing.F) { dialecttest.FuzzAnswers(f, harness) }

// message is an answer as SDKs read it.
type message struct {
	ID, Model string
	Content   []content
	Reason    *string `json:"stop_reason"`
	Usage     usage
}

type content struct {
	Type, Text, Thinking, Signature, Data, ID, Name string
	Input                                           json.RawMessage
}

type usage struct {
	Input  int `json:"input_tokens"`
	Read   int `json:"cache_read_input_tokens"`
	Write  int `json:"cache_creation_input_tokens"`
	Output int `json:"output_tokens"`
}

func (m *message) said() dialecttest.Said {
	said := dialecttest.Said{ID: m.ID, Model: m.Model, Prompt: m.Usage.Input + m.Usage.Read + m.Usage.Write, Completion: m.Usage.Output}
	if m.Reason != nil {
		said.Finish = *m.Reason
	}
	for _, block := range m.Content {
		said.Text += block.Text
		said.Reasoning += block.Thinking + block.Signature + block.Data
		if block.Type == "tool_use" {
			said.Calls = append(said.Calls, dialecttest.Call{ID: block.ID, Name: block.Name, Arguments: string(block.Input)})
		}
	}
	return said
}

func readWhole(answer []byte) (dialecttest.Said, error) {
	var m message
	if err := json.Unmarshal(answer, &m); err != nil {
		return dialecttest.Said{}, err
	}
	return m.said(), nil
}

// readStream puts an answer together as the SDKs do.
func readStream(wire []byte) (dialecttest.Said, error) {
	var m message
	for _, frame := range framesOf(string(wire)) {
		var event struct {
			Message      *message
			ContentBlock content `json:"content_block"`
			Index        int
			Delta        struct {
				Text, Thinking, Signature string
				JSON                      string  `json:"partial_json"`
				Reason                    *string `json:"stop_reason"`
			}
			Usage *usage
		}
		if err := json.Unmarshal([]byte(frame.data), &event); err != nil {
			return dialecttest.Said{}, err
		}
		switch frame.name {
		case "message_start":
			m = *event.Message
		case "content_block_start":
			event.ContentBlock.Input = nil
			m.Content = append(m.Content, event.ContentBlock)
		case "content_block_delta":
			block := &m.Content[event.Index]
			block.Text += event.Delta.Text
			block.Thinking += event.Delta.Thinking
			block.Signature += event.Delta.Signature
			block.Input = append(block.Input, event.Delta.JSON...)
		case "message_delta":
			m.Reason, m.Usage = event.Delta.Reason, *event.Usage
		}
	}
	for i := range m.Content {
		if block := &m.Content[i]; block.Type == "tool_use" && !json.Valid(block.Input) {
			text, _ := json.Marshal(string(block.Input))
			block.Input = []byte(`{"INVALID_JSON":` + string(text) + `}`)
		}
	}
	return m.said(), nil
}

// raw is an event as an upstream sent it.
func raw(json string) chat.Raw {
	name, _, _ := strings.Cut(strings.TrimPrefix(json, `{"type": "`), `"`)
	return chat.Raw{Dialect: anthropic.Dialect, Name: name, JSON: []byte(json)}
}

func native(request *chat.Request) []chat.Event {
	usage := &chat.Usage{Prompt: 9, Completion: 2}
	return []chat.Event{
		{Raw: raw(`{"type": "message_start", "message":{"model":"` + request.Model + `","id":"msg_own","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,"service_tier":"standard"}}}`)},
		{Raw: raw(`{"type": "content_block_start", "index":0, "content_block":{"type":"text","text":""}}`), Kind: chat.TextBlock, Open: &chat.Block{}},
		{Raw: raw(`{"type": "ping"}`)},
		{Raw: raw(`{"type": "content_block_delta", "index":0,"delta":{"type":"text_delta","text":"\u0048i \ud83d"}}`), Kind: chat.TextBlock, Text: "Hi \ufffd", More: true},
		{Raw: raw(`{"type": "content_block_delta", "index":0,"delta":{"type":"citations_delta","citation":{"younger":1e400}}}`), Kind: chat.TextBlock},
		{Raw: raw(`{"type": "content_block_stop", "index":0   }`), Kind: chat.TextBlock, Close: true},
		{Raw: raw(`{"type": "message_delta", "delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":9,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}}`), Finish: chat.Stop, Usage: usage},
		{Raw: raw(`{"type": "message_stop"}`)},
	}
}

// claudeCode is a turn as Claude Code sends one.
const claudeCode = `{"model":"fable","max_tokens":32000,"stream":true,
 "system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.177.01c; cc_entrypoint=cli; cch=36ee5;"},
  {"type":"text","text":"You are a coding agent.","cache_control":{"type":"ephemeral","ttl":"1h"}}],
 "messages":[{"role":"user","content":[{"type":"text","text":"Look at it.","cache_control":{"type":"ephemeral"}}]},
  {"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":"c2lnbmVk"},{"type":"text","text":"I look."},
   {"type":"tool_use","id":"toolu_1","name":"Read","input":{"path":"a"}},{"type":"tool_use","id":"toolu_2","name":"Bash","input":{}}]},
  {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"seen"},
    {"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]},
   {"type":"tool_result","tool_use_id":"toolu_2","content":"failed","is_error":true},{"type":"text","text":"Go on."}]},
  {"role":"system","content":"The user is in a hurry."}],
 "tools":[{"name":"Read","description":"Reads","input_schema":{"type":"object","properties":{"path":{"type":"string"}}},"input_examples":[{}]},
  {"name":"Bash","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}}],
 "thinking":{"type":"adaptive"},"output_config":{"effort":"high"},
 "context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},
 "metadata":{"user_id":"{\"device_id\":\"d\",\"account_uuid\":\"\",\"session_id\":\"7c5b2d54-8d44-4c8b-9e2c-4a9b3c1f0e11\"}"}}`
