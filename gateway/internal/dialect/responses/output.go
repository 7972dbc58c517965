package responses

import (
	"bytes"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// item is an item of an answer, on its way.
type item struct {
	open bool // the client has not had its end
	// over: the upstream's block is closed. Whether it was cut is told by the next event.
	over bool
	kind chat.BlockKind
	// custom: it is a call of a tool that takes free text.
	custom bool
	id     string
	callID string
	name   qualified
	seal   *chat.Seal
	opaque *chat.Opaque
	text   []byte // what has come, escaped as it goes into the answer
}

// prefixes begin the ids of items.
var prefixes = [...]string{
	chat.TextBlock: "msg_", chat.RefusalBlock: "msg_", chat.ReasoningBlock: "rs_", chat.CallBlock: "fc_", chat.OpaqueBlock: "item_",
}

const customPrefix = "ctc_"

// begin makes the item of a block. Its id counts the items before it that have said something.
func (a *answer) begin(kind chat.BlockKind, block *chat.Block) {
	a.item = item{open: true, kind: kind, custom: block.Custom, opaque: block.Opaque, text: a.item.text[:0]}
	if kind == chat.RefusalBlock && a.codex { // to its reader a message with a refusal is none
		a.item.kind = chat.TextBlock
	}
	prefix := prefixes[kind]
	if kind == chat.CallBlock {
		if block.Custom {
			prefix = customPrefix
		}
		a.item.callID = a.callID(block)
		a.item.name = qualified{name: block.Name}
		if split, is := a.split[block.Name]; is {
			a.item.name = split
		}
	}
	a.item.id = a.itemID(prefix)
}

// add adds a text to the item, and returns it escaped.
func (i *item) add(text string) []byte {
	if i.kind == chat.CallBlock && !i.custom && len(i.text) == 0 && strings.TrimSpace(text) == "null" {
		return nil // how some say that there are no arguments
	}
	from := len(i.text)
	i.text = rawjson.AppendEscaped(i.text, text)
	return i.text[from:]
}

// rest is what an item lacks at its end: a call has arguments, if only empty ones.
func (i *item) rest() string {
	if i.kind == chat.CallBlock && !i.custom && len(bytes.TrimSpace(i.text)) == 0 {
		return "{}"
	}
	return ""
}

// says tells whether there is anything in the item. One that says nothing has never been.
func (i *item) says() bool {
	switch i.kind {
	case chat.CallBlock:
		return true
	case chat.OpaqueBlock:
		return i.opaque != nil && i.opaque.Dialect == Dialect
	case chat.TextBlock, chat.RefusalBlock, chat.ReasoningBlock:
	}
	return len(i.text) > 0 || i.kind == chat.ReasoningBlock && i.seal != nil
}

// appendItem appends the item as it is now, which of a started one is what no text belongs to.
func (a *answer) appendItem(dst []byte, status string) []byte {
	i := &a.item
	if i.kind == chat.OpaqueBlock {
		at := len(dst)
		dst = append(dst, i.opaque.JSON...)
		flatten(dst[at:])
		return dst
	}
	started := status == inProgress
	dst = append(dst, `{"id":`...)
	dst = rawjson.AppendString(dst, i.id)
	dst = append(dst, `,"type":"`...)
	dst = append(dst, i.wireType()...)
	dst = append(dst, `","status":"`...)
	dst = append(dst, status...)
	dst = append(dst, '"')
	switch i.kind {
	case chat.CallBlock:
		dst = append(dst, `,"call_id":`...)
		dst = rawjson.AppendString(dst, i.callID)
		dst = append(dst, `,"name":`...)
		dst = rawjson.AppendString(dst, i.name.name)
		if i.name.namespace != "" {
			dst = append(dst, `,"namespace":`...)
			dst = rawjson.AppendString(dst, i.name.namespace)
		}
		dst = append(dst, `,"`...)
		dst = append(dst, i.textName()...)
		dst = append(dst, `":"`...)
		if !started {
			dst = append(dst, i.text...)
		}
		dst = append(dst, '"')
	case chat.ReasoningBlock:
		dst = append(dst, `,"summary":[`...)
		if !started && len(i.text) > 0 {
			dst = i.appendPart(dst, i.text)
		}
		dst = append(dst, ']')
		if !started && a.keepsSeals() {
			dst = append(dst, `,"encrypted_content":`...)
			dst = rawjson.AppendString(dst, sealOf(i.seal))
		}
	default:
		dst = append(dst, `,"role":"assistant","content":[`...)
		if !started {
			dst = i.appendPart(dst, i.text)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// sealOf is what a client is shown of a seal.
func sealOf(seal *chat.Seal) string {
	switch {
	case seal == nil:
		return chat.ForeignSeal("", "")
	case seal.Maker == Dialect:
		return seal.Data
	}
	return chat.ForeignSeal(seal.Maker, seal.Data)
}

// wireType is the item's `type`.
func (i *item) wireType() string {
	switch {
	case i.custom:
		return "custom_tool_call"
	case i.kind == chat.CallBlock:
		return "function_call"
	case i.kind == chat.ReasoningBlock:
		return "reasoning"
	}
	return "message"
}

// textName is the member that has the text of a call.
func (i *item) textName() string {
	if i.custom {
		return "input"
	}
	return "arguments"
}

// appendPart appends the item's only part, with a text that is escaped.
func (i *item) appendPart(dst, text []byte) []byte {
	form := &partForms[i.kind]
	dst = append(dst, form[0]...)
	dst = append(dst, text...)
	return append(dst, form[1]...)
}

// partForms is what stands before and behind the text of a part.
var partForms = [...][2]string{
	chat.TextBlock:      {`{"type":"output_text","text":"`, `","annotations":[],"logprobs":[]}`},
	chat.RefusalBlock:   {`{"type":"refusal","refusal":"`, `"}`},
	chat.ReasoningBlock: {`{"type":"summary_text","text":"`, `"}`},
}

// end adds the item that is complete to the output, and returns it.
func (a *answer) end(status string) []byte {
	if len(a.output) > 0 {
		a.output = append(a.output, ',')
	}
	from := len(a.output)
	a.output = a.appendItem(a.output, status)
	return a.output[from:]
}
