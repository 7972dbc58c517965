package upstreamsim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// blockKind is what a block of a reply is.
type blockKind int

const (
	textBlock blockKind = iota
	reasoningBlock
	refusalBlock
	callBlock
)

// block is a part of a reply that comes in pieces; each counts as a token.
type block struct {
	kind   blockKind
	pieces []string // of the text, or of a call's arguments
	name   string   // of the called tool
	custom bool     // the arguments are free text
}

// reply is what each choice of an answer says.
type reply struct {
	blocks []block
	finish string
}

// says is a reply of text.
func says(pieces []string) reply {
	return reply{blocks: []block{{pieces: pieces}}, finish: stop}
}

// normalReply is what a request gets that asks for nothing in particular: the last text of the
// user, in the form that is asked for, or calls of tools where those are forced.
func (c *completionCall) normalReply() reply {
	if c.request.choice.mode == "required" {
		return c.calls(maxToolCalls)
	}
	return says(c.pieces())
}

// pieces are the normal answer's text.
func (c *completionCall) pieces() []string {
	text := c.request.lastText()
	if format := c.request.ResponseFormat; format != nil {
		switch format.Type {
		case "json_object":
			text = string(jsonOf(map[string]string{"text": text}))
		case "json_schema":
			text = string(instanceOf(format.JSONSchema.Schema, text))
		}
	}
	return pieces(text)
}

// thoughts are the reasoning of every answer that has any.
var thoughts = []string{"Thinking ", "about ", "it."}

func reasoningOf(pieces []string) block { return block{kind: reasoningBlock, pieces: pieces} }

// fitted is the reply within the request's output limit, and up to its stop texts.
func (c *completionCall) fitted(r reply) reply {
	if c.request.reasons() && len(r.blocks) > 0 && !r.has(reasoningBlock) {
		r.blocks = slices.Insert(slices.Clone(r.blocks), 0, reasoningOf(thoughts))
	}
	r = r.stopped(c.request.stops)
	if limit, limited := c.request.limit(); limited && limit < r.tokens() {
		return r.limited(limit)
	}
	return r
}

func (r reply) tokens() int {
	tokens := 0
	for _, b := range r.blocks {
		tokens += len(b.pieces)
	}
	return tokens
}

func (r reply) has(kind blockKind) bool {
	return slices.ContainsFunc(r.blocks, func(b block) bool { return b.kind == kind })
}

// text is all that is said in blocks of a kind.
func (r reply) text(kind blockKind) string {
	var all strings.Builder
	for _, b := range r.blocks {
		if b.kind == kind {
			for _, piece := range b.pieces {
				all.WriteString(piece)
			}
		}
	}
	return all.String()
}

func (r reply) reasoningTokens() int {
	tokens := 0
	for _, b := range r.blocks {
		if b.kind == reasoningBlock {
			tokens += len(b.pieces)
		}
	}
	return tokens
}

// stopped ends the reply before the first stop text.
func (r reply) stopped(stops []string) reply {
	if len(stops) == 0 {
		return r
	}
	for i, b := range r.blocks {
		if b.kind != textBlock {
			continue
		}
		text := strings.Join(b.pieces, "")
		end := len(text)
		for _, stop := range stops {
			if at := strings.Index(text, stop); at >= 0 && stop != "" {
				end = min(end, at)
			}
		}
		if end == len(text) {
			continue
		}
		b.pieces = firstBytes(b.pieces, end)
		return reply{append(slices.Clone(r.blocks[:i]), b), stop}
	}
	return r
}

// firstBytes are the pieces of a text's first bytes.
func firstBytes(pieces []string, length int) []string {
	var first []string
	for _, piece := range pieces {
		if length <= 0 {
			break
		}
		piece = piece[:min(length, len(piece))]
		first = append(first, piece)
		length -= len(piece)
	}
	return first
}

// limited is cut after so many tokens, in the middle of a call too.
func (r reply) limited(tokens int) reply {
	cut := reply{finish: "length"}
	for _, b := range r.blocks {
		if tokens == 0 {
			break
		}
		b.pieces = b.pieces[:min(tokens, len(b.pieces))]
		tokens -= len(b.pieces)
		cut.blocks = append(cut.blocks, b)
	}
	return cut
}

// tell answers with a reply, as a stream or as an object.
func (c *completionCall) tell(r reply, place usagePlace) error {
	r = c.fitted(r)
	if !c.request.Stream {
		_ = c.head()
		return c.answerWhole(http.StatusOK, "", c.replyObject(r, place))
	}
	return inOrder(c.head, c.stream(r, place))
}

// stream is everything after the headers.
func (c *completionCall) stream(r reply, place usagePlace) step {
	return func() error {
		return inOrder(c.begin(r), c.blocks(r), c.last(r, place), c.done)
	}
}

// begin sends the first chunk of each choice.
func (c *completionCall) begin(r reply) step {
	first := roleDelta
	if r.has(callBlock) && !r.has(textBlock) {
		first = silentRoleDelta
	}
	return c.delta(func(int) string { return first })
}

// blocks sends the reply's pieces, one a chunk.
func (c *completionCall) blocks(r reply) step {
	return func() error {
		call := 0
		for i, b := range r.blocks {
			if b.kind == callBlock {
				if err := c.callChunks(b, call); err != nil {
					return err
				}
				call++
				continue
			}
			if i > 0 {
				if err := c.between(); err != nil {
					return err
				}
			}
			if err := c.named(c.fieldOf(b.kind), b.pieces)(); err != nil {
				return err
			}
		}
		return nil
	}
}

// fieldOf is where a block's text stands in deltas and messages.
func (c *completionCall) fieldOf(kind blockKind) string {
	switch kind {
	case reasoningBlock:
		return c.reasoningField
	case refusalBlock:
		return "refusal"
	default:
		return "content"
	}
}

// callChunks sends a call: its id and name, then the pieces of its arguments.
func (c *completionCall) callChunks(b block, index int) error {
	kind, argument, first := "function", "arguments", `"arguments":""`
	if b.custom {
		kind, argument, first = "custom", "input", `"input":""`
	}
	err := c.delta(func(choice int) string {
		return fmt.Sprintf(`{"tool_calls":[{"index":%d,"id":"%s","type":"%s","%[3]s":{"name":%s,%s}}]}`,
			index, c.toolCallID(choice, index), kind, quoted(b.name), first)
	})()
	for _, piece := range b.pieces {
		if err == nil {
			err = inOrder(c.between, c.delta(func(int) string {
				return fmt.Sprintf(`{"tool_calls":[{"index":%d,"%s":{"%s":%s}}]}`, index, kind, argument, quoted(piece))
			}))
		}
	}
	return err
}

// delta sends a chunk for each choice.
func (c *completionCall) delta(of func(choice int) string) step {
	return func() error {
		for choice := range c.request.choices() {
			c.buffer = c.format.choice(c.buffer[:0], choice, of(choice), "", "")
			if err := c.send(c.buffer); err != nil {
				return err
			}
		}
		return nil
	}
}

// replyObject is the answer without a stream.
func (c *completionCall) replyObject(r reply, place usagePlace) []byte {
	usage := ""
	if place != noUsage {
		usage = c.usageOf(r).json()
	}
	to := c.format.openObject()
	for choice := range c.request.choices() {
		if choice > 0 {
			to = append(to, ',')
		}
		to = c.format.openChoice(to, choice)
		to = c.appendMessage(to, r, choice)
		to = c.format.closeChoice(to, r.finish)
	}
	return c.format.closeObject(to, usage)
}

// appendMessage appends the assistant's message of a choice.
func (c *completionCall) appendMessage(to []byte, r reply, choice int) []byte {
	to = append(to, `{"role":"assistant",`...)
	if r.has(reasoningBlock) {
		to = append(to, `"`+c.reasoningField+`":`...)
		to = append(appendQuoted(to, r.text(reasoningBlock)), ',')
	}
	to = append(to, `"content":`...)
	if r.has(textBlock) || len(r.blocks) == 0 {
		to = append(to, '"')
		for _, b := range r.blocks {
			if b.kind == textBlock {
				for _, piece := range b.pieces {
					to = appendEscaped(to, piece)
				}
			}
		}
		to = append(to, '"')
	} else {
		to = append(to, "null"...)
	}
	to = append(to, `,"refusal":`...)
	if r.has(refusalBlock) {
		to = appendQuoted(to, r.text(refusalBlock))
	} else {
		to = append(to, "null"...)
	}
	if !r.has(callBlock) {
		return append(to, `,"annotations":[]}`...)
	}
	return append(append(to, `,"tool_calls":[`+strings.Join(c.callObjects(r, choice), ",")...), "]}"...)
}

// callObjects are the calls of a message.
func (c *completionCall) callObjects(r reply, choice int) []string {
	var calls []string
	for _, b := range r.blocks {
		if b.kind != callBlock {
			continue
		}
		kind, argument := "function", "arguments"
		if b.custom {
			kind, argument = "custom", "input"
		}
		calls = append(calls, fmt.Sprintf(`{"id":"%s","type":"%s","%[2]s":{"name":%s,"%s":%s}}`,
			c.toolCallID(choice, len(calls)), kind, quoted(b.name), argument, quoted(strings.Join(b.pieces, ""))))
	}
	return calls
}

// usageOf counts a reply, once for each choice.
func (c *completionCall) usageOf(r reply) usageCounts {
	n := c.request.choices()
	return usageCounts{prompt: c.request.promptTokens(), completion: n * r.tokens(), cached: c.cached, reasoning: n * r.reasoningTokens()}
}
