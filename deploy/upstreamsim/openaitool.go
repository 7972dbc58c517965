package upstreamsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const (
	toolCalls    = "tool_calls"
	maxToolCalls = 2
)

// toolCall calls the request's first tools, or answers with the content of a
// tool's result where that is the last message.
func (c *completionCall) toolCall() error {
	last := c.request.Messages[len(c.request.Messages)-1]
	if last.Role == "tool" {
		return c.whole(pieces(string(last.Content)))
	}
	if len(c.request.Tools) == 0 {
		return c.echo()
	}
	var names []string
	for _, tool := range c.request.Tools[:min(len(c.request.Tools), maxToolCalls)] {
		names = append(names, tool.Function.Name)
	}
	arguments, err := json.Marshal(map[string]string{"text": c.request.lastText()})
	if err != nil {
		return err
	}
	if c.request.Stream {
		return c.streamToolCalls(names, string(arguments))
	}
	return c.wholeToolCalls(names, string(arguments))
}

// toolCallID is the id of a call, unlike in every answer.
func (c *completionCall) toolCallID(index int) string {
	return fmt.Sprintf("call_%s_%d", strings.TrimPrefix(c.format.id, "chatcmpl-"), index)
}

func (c *completionCall) wholeToolCalls(names []string, arguments string) error {
	var calls []string
	for i, name := range names {
		calls = append(calls, fmt.Sprintf(`{"id":"%s","type":"function","function":{"name":%s,"arguments":%s}}`,
			c.toolCallID(i), quoted(name), quoted(arguments)))
	}
	_ = c.head()
	message := `{"role":"assistant","content":null,"refusal":null,"tool_calls":[` + strings.Join(calls, ",") + `]}`
	usage := usageJSON(c.request.promptTokens(), len(names)*len(pieces(arguments)))
	return c.answerWhole(http.StatusOK, "", c.format.object(message, toolCalls, usage))
}

func (c *completionCall) streamToolCalls(names []string, arguments string) error {
	cut := pieces(arguments)
	steps := []step{c.head, c.delta(`{"role":"assistant","content":null,"refusal":null}`)}
	for i, name := range names {
		steps = append(steps, c.delta(fmt.Sprintf(
			`{"tool_calls":[{"index":%d,"id":"%s","type":"function","function":{"name":%s,"arguments":""}}]}`,
			i, c.toolCallID(i), quoted(name))))
		for _, piece := range cut {
			steps = append(steps, c.between,
				c.delta(fmt.Sprintf(`{"tool_calls":[{"index":%d,"function":{"arguments":%s}}]}`, i, quoted(piece))))
		}
	}
	return inOrder(append(steps, c.last(toolCalls, c.asked(), len(names)*len(cut)), c.done)...)
}

func (c *completionCall) delta(delta string) step {
	return c.event(c.format.chunk(nil, delta, "", ""))
}
