package upstreamsim

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// completionRequest is what the simulator reads of a chat request. A field that has several
// forms is kept in bytes for the check that knows them.
type completionRequest struct {
	Model               string          `json:"model"`
	Messages            []message       `json:"messages"`
	Stream              bool            `json:"stream"`
	StreamOptions       *streamOptions  `json:"stream_options"`
	Tools               []tool          `json:"tools"`
	ToolChoice          json.RawMessage `json:"tool_choice"`
	ParallelToolCalls   *bool           `json:"parallel_tool_calls"`
	ResponseFormat      *responseFormat `json:"response_format"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	Stop                json.RawMessage `json:"stop"`
	N                   *int            `json:"n"`
	Temperature         *float64        `json:"temperature"`
	TopP                *float64        `json:"top_p"`
	PresencePenalty     *float64        `json:"presence_penalty"`
	FrequencyPenalty    *float64        `json:"frequency_penalty"`
	Logprobs            *bool           `json:"logprobs"`
	TopLogprobs         *int            `json:"top_logprobs"`
	LogitBias           map[string]int  `json:"logit_bias"`
	Seed                *int            `json:"seed"`
	User                *string         `json:"user"`
	ReasoningEffort     *string         `json:"reasoning_effort"`
	Thinking            *struct {
		Type string `json:"type"`
	} `json:"thinking"`

	choice  toolChoice // what ToolChoice says
	stops   []string   // what Stop says
	manners manners    // of the model
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// tool is an entry of the tools.
type tool struct {
	Type     string    `json:"type"`
	Function *function `json:"function"`
	Custom   *struct {
		Name string `json:"name"`
	} `json:"custom"`
}

type function struct {
	Name       *string         `json:"name"`
	Parameters json.RawMessage `json:"parameters"`
	Strict     *bool           `json:"strict"`
}

func (t tool) name() string {
	switch {
	case t.Function != nil && t.Function.Name != nil:
		return *t.Function.Name
	case t.Custom != nil:
		return t.Custom.Name
	default:
		return ""
	}
}

// toolChoice is a tool_choice, whose mode is "" where there is none.
type toolChoice struct {
	mode    string   // auto, none or required
	name    string   // of the one tool to call
	allowed []string // the only tools to choose from, where there are any
}

type responseFormat struct {
	Type       string `json:"type"`
	JSONSchema *struct {
		Name   *string         `json:"name"`
		Strict *bool           `json:"strict"`
		Schema json.RawMessage `json:"schema"`
	} `json:"json_schema"`
}

type message struct {
	Role             string     `json:"role"`
	Content          content    `json:"content"`
	Name             *string    `json:"name"`
	ToolCalls        []toolCall `json:"tool_calls"`
	ToolCallID       *string    `json:"tool_call_id"`
	Refusal          *string    `json:"refusal"`
	ReasoningContent *string    `json:"reasoning_content"`
	Audio            *struct {
		ID string `json:"id"`
	} `json:"audio"`
	FunctionCall *struct {
		Name string `json:"name"`
	} `json:"function_call"`
}

// toolCall is a call in the conversation.
type toolCall struct {
	ID       *string `json:"id"`
	Type     string  `json:"type"`
	Function *struct {
		Name      *string `json:"name"`
		Arguments *string `json:"arguments"`
	} `json:"function"`
	Custom *struct {
		Name  *string `json:"name"`
		Input *string `json:"input"`
	} `json:"custom"`
}

// contentForm is how a content is written.
type contentForm int

const (
	absentContent contentForm = iota
	nullContent
	textContent
	partsContent
	otherContent // of no form that there is
)

// content is a message's content: a string, or parts of which the text counts.
type content struct {
	form    contentForm
	text    string
	parts   []part
	raw     json.RawMessage // part of the body, which outlives the request
	problem error           // of parts that can't be read
}

// part is an entry of a content.
type part struct {
	Type     string          `json:"type"`
	Text     *string         `json:"text"`
	Refusal  *string         `json:"refusal"`
	ImageURL json.RawMessage `json:"image_url"`
	File     *struct {
		Data *string `json:"file_data"`
		ID   *string `json:"file_id"`
		Name *string `json:"filename"`
	} `json:"file"`
	InputAudio *struct {
		Data   *string `json:"data"`
		Format *string `json:"format"`
	} `json:"input_audio"`
}

// UnmarshalJSON implements json.Unmarshaler. It takes everything: a check that knows the
// content's place says what is wrong.
func (c *content) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case 'n': // null
		c.form = nullContent
		return nil
	case '"':
		c.form = textContent
		return json.Unmarshal(raw, &c.text)
	case '[':
		c.form, c.raw = partsContent, raw
		c.problem = json.Unmarshal(raw, &c.parts)
	default:
		c.form, c.raw = otherContent, raw
	}
	var texts []string
	for _, part := range c.parts {
		if part.Type == "text" && part.Text != nil {
			texts = append(texts, *part.Text)
		}
	}
	c.text = strings.Join(texts, "\n")
	return nil
}

// lastText is what the normal answer echoes.
func (r *completionRequest) lastText() string {
	for i := range slices.Backward(r.Messages) {
		if m := &r.Messages[i]; m.Role == "user" && m.Content.text != "" {
			return m.Content.text
		}
	}
	return NoText
}

// mediaTokens is what a picture, a file or a sound counts.
const mediaTokens = 85

// promptTokens is an estimate that depends on nothing but what is asked.
func (r *completionRequest) promptTokens() int {
	tokens := 3
	for i := range r.Messages {
		m := &r.Messages[i]
		tokens += 4 + (len(m.Content.text)+3)/4
		for _, part := range m.Content.parts {
			if part.Type != "text" {
				tokens += mediaTokens
			}
		}
		for _, call := range m.ToolCalls {
			if call.Function != nil && call.Function.Arguments != nil {
				tokens += 4 + (len(*call.Function.Arguments)+3)/4
			}
		}
	}
	for _, tool := range r.Tools {
		if tool.Function != nil {
			tokens += 8 + (len(tool.Function.Parameters)+3)/4
		}
	}
	return tokens
}

// results is where the messages after the last one of the assistant begin, if there are any of
// tools among them.
func (r *completionRequest) results() (since int, found bool) {
	since = len(r.Messages)
	for since > 0 && r.Messages[since-1].Role != "assistant" {
		since--
	}
	return since, slices.ContainsFunc(r.Messages[since:], func(m message) bool { return m.Role == "tool" })
}

// wantsUsage tells whether a stream shall end with its usage.
func (r *completionRequest) wantsUsage() bool {
	return r.StreamOptions != nil && r.StreamOptions.IncludeUsage
}

// choices is how many answers are asked for.
func (r *completionRequest) choices() int {
	if r.N == nil {
		return 1
	}
	return *r.N
}

// limit is the most tokens of an answer, where there is a limit.
func (r *completionRequest) limit() (tokens int, limited bool) {
	switch {
	case r.MaxCompletionTokens != nil:
		return *r.MaxCompletionTokens, true
	case r.MaxTokens != nil:
		return *r.MaxTokens, true
	default:
		return 0, false
	}
}

// given tells whether a value that is kept in bytes is there and not null.
func given(raw json.RawMessage) bool { return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) }
