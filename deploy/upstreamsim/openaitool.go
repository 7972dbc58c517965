package upstreamsim

import (
	"fmt"
	"slices"
	"strings"
)

const (
	toolCalls    = "tool_calls"
	maxToolCalls = 2
)

// toolCall calls the request's first tools, or repeats what tools have answered.
func (c *completionCall) toolCall() error { return c.tell(c.toolReply(maxToolCalls), c.asked()) }

func (c *completionCall) oneCall() error { return c.tell(c.toolReply(1), c.asked()) }

// reasonedCall thinks first, as reasoning models do between calls.
func (c *completionCall) reasonedCall() error {
	r := c.toolReply(maxToolCalls)
	r.blocks = slices.Insert(r.blocks, 0, reasoningOf(thoughts))
	return c.tell(r, c.asked())
}

// toolReply is calls of at most so many tools, or what tools have answered.
func (c *completionCall) toolReply(most int) reply {
	if since, found := c.request.results(); found {
		return says(pieces(c.resultText(since)))
	}
	if len(c.request.Tools) == 0 || c.request.choice.mode == "none" {
		return says(c.pieces())
	}
	return c.calls(most)
}

// resultText repeats the texts of the tools' messages, and tells of what else came with them.
func (c *completionCall) resultText(since int) string {
	var texts []string
	for _, m := range c.request.Messages[since:] {
		if m.Role == "tool" {
			texts = append(texts, m.Content.text)
		}
	}
	for _, media := range mediaOf(c.request.Messages) {
		if media.Message >= since {
			texts = append(texts, media.String())
		}
	}
	return strings.Join(texts, "\n")
}

// calls are the calls of at most so many tools, of those that may be called.
func (c *completionCall) calls(most int) reply {
	choice := c.request.choice
	if c.request.ParallelToolCalls != nil && !*c.request.ParallelToolCalls {
		most = 1
	}
	r := reply{finish: toolCalls}
	if choice.name != "" { // the API says so of a call that it was told to make
		most, r.finish = 1, stop
	}
	for _, tool := range c.request.Tools {
		allowed := choice.name == "" || choice.name == tool.name()
		if choice.allowed != nil {
			allowed = slices.Contains(choice.allowed, tool.name())
		}
		if allowed && len(r.blocks) < most {
			r.blocks = append(r.blocks, c.callOf(tool))
		}
	}
	return r
}

// callOf is a call whose texts are the last one of the user. A tool that says nothing of its
// parameters gets that text as "text".
func (c *completionCall) callOf(t tool) block {
	text := c.request.lastText()
	if t.Custom != nil {
		return block{kind: callBlock, name: t.name(), pieces: pieces(text), custom: true}
	}
	arguments := jsonOf(map[string]string{"text": text})
	if given(t.Function.Parameters) {
		arguments = instanceOf(t.Function.Parameters, text)
		if len(parseSchema(t.Function.Parameters)) == 0 {
			arguments = []byte("{}")
		}
	}
	return block{kind: callBlock, name: t.name(), pieces: pieces(string(arguments))}
}

// toolCallID is the id of a call, unlike in every answer and choice.
func (c *completionCall) toolCallID(choice, index int) string {
	id := strings.TrimPrefix(c.format.id, "chatcmpl-")
	if choice > 0 {
		id += fmt.Sprintf("_%d", choice)
	}
	return fmt.Sprintf("call_%s_%d", id, index)
}
