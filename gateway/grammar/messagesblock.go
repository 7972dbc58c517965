package grammar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// block is a content block of a Messages answer.
type block struct {
	index   int64
	kind    string
	known   bool
	hasText bool
	sealed  bool   // the signature has come
	isCall  bool   // of either kind
	input   []byte // of a call: the pieces that have come
}

// blockForm is what a kind of block has.
type blockForm struct {
	// strings are those that must be there; start: as "" where the block is streamed.
	strings []string
	start   bool
	// other fields that may be there.
	others []string
	// deltas by their type, with the member that has their content.
	deltas map[string]string
	call   bool
}

var callForm = blockForm{
	others: []string{"id", "name", "input", "caller"},
	deltas: map[string]string{"input_json_delta": "partial_json"}, call: true,
}

// blockForms are the kinds that a gateway writes itself.
var blockForms = map[string]blockForm{
	"text": {
		strings: []string{"text"}, start: true, others: []string{"citations"},
		deltas: map[string]string{"text_delta": "text", "citations_delta": "citation"},
	},
	"thinking": {
		strings: []string{"thinking", "signature"}, start: true,
		deltas: map[string]string{"thinking_delta": "thinking", "signature_delta": "signature"},
	},
	"redacted_thinking": {strings: []string{"data"}},
	"tool_use":          callForm,
	"server_tool_use":   callForm,
}

// othersBlocks are kinds of the vendor's own tools and betas. What they hold is the
// vendor's matter.
var othersBlocks = []string{
	"web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result", "bash_code_execution_tool_result",
	"text_editor_code_execution_tool_result", "tool_search_tool_result", "container_upload", "compaction", "fallback",
	"mcp_tool_use", "mcp_tool_result",
}

// startBlock judges a content_block_start.
func (a *messagesAnswer) startBlock(index int64, content value) *block {
	b := a.newBlock(index, content)
	form := blockForms[b.kind]
	for _, field := range form.strings {
		if got := content.get(field); form.start && got.kind == isString {
			a.require(got.text == "", BlockStart, got, field+`: ""`)
			b.hasText = b.hasText || got.text != ""
		}
	}
	if input := content.get("input"); form.call && input.kind == isObject {
		a.require(len(input.members) == 0, ToolInputStart, input, "input: {}")
	}
	return b
}

// startWhole judges a block of a whole answer.
func (a *messagesAnswer) startWhole(index int64, content value) {
	b := a.newBlock(index, content)
	b.hasText = content.get("text").filled()
	b.stop(a.verdict)
}

// newBlock judges what blocks have in both forms.
func (a *messagesAnswer) newBlock(index int64, content value) *block {
	b := &block{index: index, kind: content.get("type").text}
	a.blocks = append(a.blocks, b)
	form, known := blockForms[b.kind]
	b.known, b.isCall = known, form.call
	if !known {
		a.require(slices.Contains(othersBlocks, b.kind), BlockType, content.get("type"), "a type that the API knows")
		a.require(content.get("type").filled(), BlockShape, content, "a block with a type")
	}
	for _, field := range form.strings {
		got := content.get(field)
		a.require(got.kind == isString, BlockShape, got, field+" as a string")
	}
	if b.kind == "redacted_thinking" {
		a.require(content.get("data").text != "", BlockShape, content, "its data")
	}
	for _, m := range content.members {
		switch {
		case !known || m.key == "type" || slices.Contains(form.strings, m.key) || slices.Contains(form.others, m.key):
		case m.key == "input":
			a.report(StrayInput, "input in a block of type "+b.kind, "no input")
		default:
			a.report(StrayField, m.key+" in a block of type "+b.kind, "only the fields of its kind")
		}
	}
	if form.call {
		a.judgeCall(content)
	}
	return b
}

func (a *messagesAnswer) judgeCall(content value) {
	id := content.get("id")
	a.require(id.filled(), ToolID, id, "an id")
	a.require(content.get("name").filled(), ToolID, content.get("name"), "a name")
	a.require(content.get("input").kind == isObject, BlockShape, content.get("input"), "an object as input")
	if a.ids == nil {
		a.ids = map[string]bool{}
	}
	a.require(!a.ids[id.text] || !id.filled(), ToolIDUnique, id, "an id of its own")
	a.ids[id.text] = true
}

// delta judges a content_block_delta of the block.
func (b *block) delta(v *verdict, delta value) {
	if !b.known {
		return
	}
	kind := delta.get("type")
	member, fits := blockForms[b.kind].deltas[kind.text]
	if !fits {
		v.report(DeltaKind, fmt.Sprintf("%s in a block of type %s", kind, b.kind), "a delta of the block's kind")
		return
	}
	content := delta.get(member)
	if kind.text == "citations_delta" {
		v.require(content.kind == isObject, DeltaShape, content, "a citation")
		return
	}
	v.require(content.kind == isString, DeltaShape, content, member+" as a string")
	if b.sealed {
		v.report(SignatureLast, kind.text+" after the signature", "the block's stop")
	}
	b.sealed = b.sealed || kind.text == "signature_delta"
	b.hasText = b.hasText || content.text != ""
	if b.isCall {
		b.input = append(b.input, content.text...)
	}
}

// stop judges the block's end.
func (b *block) stop(v *verdict) {
	if b.kind == "text" && !b.hasText {
		v.report(EmptyText, fmt.Sprintf("block %d has no text", b.index), "no block")
	}
}

// whole tells whether a call's pieces are whole; none at all stand for {}.
func (b *block) whole() bool {
	input := bytes.TrimSpace(b.input)
	return len(input) == 0 || input[0] == '{' && json.Valid(input)
}
