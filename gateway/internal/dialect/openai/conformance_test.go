package openai_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"carousel.internal/gateway/grammar"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/dialecttest"
	"carousel.internal/gateway/internal/dialect/openai"
)

var harness = dialecttest.Harness{
	API: openai.API{}, Judge: grammar.Chat,
	Good: func(stream bool) string {
		question, _ := json.Marshal(dialecttest.Question)
		return fmt.Sprintf(`{"model":"model-1","stream":%t,"messages":[{"role":"user","content":%s}]}`, stream, question)
	},
	Faults: map[string]dialecttest.Fault{
		"no model":                {Param: "model", Body: `{"messages":[{"role":"user","content":"Hi"}]}`},
		"no messages":             {Param: "messages", Body: `{"model":"m"}`},
		"no message":              {Param: "messages", Body: `{"model":"m","messages":[]}`},
		"a model of another type": {Param: "model", Body: `{"model":1,"messages":[]}`},
		"messages as text":        {Param: "messages", Body: `{"model":"m","messages":"Hi"}`},
		"stream as text":          {Param: "stream", Body: `{"model":"m","stream":"yes","messages":[]}`},
	},
	HistoryFaults: map[string]dialecttest.Fault{
		"no object":       {Param: "messages[0]", Body: `{"model":"m","messages":["Hi"]}`},
		"no role":         {Param: "messages[0].role", Body: `{"model":"m","messages":[{"content":"Hi"}]}`},
		"an unknown role": {Param: "messages[0].role", Body: `{"model":"m","messages":[{"role":"narrator","content":"Hi"}]}`},
	},
	ReadStream: readStream, ReadWhole: readWhole, Native: native,
}

func TestConformance(t *testing.T) {
	t.Parallel()
	dialecttest.Run(t, harness)
}

func FuzzConformance(f *testing.F) { dialecttest.FuzzDecode(f, harness) }

func FuzzAnswers(f *testing.F) { dialecttest.FuzzAnswers(f, harness) }

// completion is an answer, or a chunk of one, as SDKs read it.
type completion struct {
	ID, Model string
	Choices   []struct {
		Message, Delta message
		Finish         *string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
	}
}

type message struct {
	Content, Refusal *string
	Reasoning        string `json:"reasoning_content"`
	Calls            []struct {
		Index    int
		ID       string
		Function struct{ Name, Arguments string }
	} `json:"tool_calls"`
}

// add puts a chunk of an answer, or all of it, to what has been said.
func add(said *dialecttest.Said, data []byte) error {
	var c completion
	if err := json.Unmarshal(data, &c); err != nil {
		return err
	}
	said.ID, said.Model = c.ID, c.Model
	for _, choice := range c.Choices {
		for _, m := range []message{choice.Message, choice.Delta} {
			if m.Content != nil {
				said.Text += *m.Content
			}
			if m.Refusal != nil {
				said.Refusal += *m.Refusal
			}
			said.Reasoning += m.Reasoning
			for _, call := range m.Calls {
				if call.ID != "" {
					said.Calls = append(said.Calls, dialecttest.Call{ID: call.ID, Name: call.Function.Name})
				}
				said.Calls[len(said.Calls)-1].Arguments += call.Function.Arguments
			}
		}
		if choice.Finish != nil {
			said.Finish = *choice.Finish
		}
	}
	if c.Usage != nil {
		said.Prompt, said.Completion = c.Usage.Prompt, c.Usage.Completion
	}
	return nil
}

func readWhole(answer []byte) (said dialecttest.Said, err error) {
	err = add(&said, answer)
	return said, err
}

func readStream(wire []byte) (said dialecttest.Said, err error) {
	for line := range strings.SplitSeq(string(wire), "\n") {
		if data, is := strings.CutPrefix(line, "data: "); is && data != "[DONE]" {
			if err := add(&said, []byte(data)); err != nil {
				return said, err
			}
		}
	}
	return said, nil
}

func native(request *chat.Request) []chat.Event {
	chunk := func(rest string) chat.Raw {
		return chat.Raw{Dialect: openai.Dialect, JSON: []byte(`{"id":"` + request.ID + `","object":"chat.completion.chunk", "created":1700000000,"model":"` + request.Model + `",` + rest + `}`)}
	}
	return []chat.Event{
		{Raw: chunk(`"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null`)},
		{Raw: chunk(`"choices":[{"index":0,"delta":{"content":"\u0048i","younger":[1e400]},"finish_reason":null}],"usage":null`), Kind: chat.TextBlock, Open: &chat.Block{}, Text: "Hi", More: true},
		{Raw: chunk(`"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null`), Kind: chat.TextBlock, Close: true, Finish: chat.Stop},
		{Raw: chunk(`"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}`), Usage: &chat.Usage{Prompt: 9, Completion: 2}},
	}
}
