package openai

import (
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// thought gathers a block of reasoning whose seal may follow. Anthropic's API wants sealed
// thoughts back, word for word, and Chat has no field for that: `thinking_blocks` is the one
// that LiteLLM has given it, and clients that know it send it back.
type thought struct {
	text     []byte // escaped
	redacted bool
	// long: the text has become too long to be kept, and the seal will be left out.
	long bool
}

// maxThought bounds the text that is kept for a seal, in bytes.
const maxThought = 4 << 20

// sealed tells whether an event has a seal that a client can be given: those of other
// makers have no place in this dialect.
func (t *thought) sealed(ev *chat.Event) bool {
	return !t.long && ev.Seal != nil && ev.Kind == chat.ReasoningBlock && ev.Seal.Maker == anthropicDialect && ev.Seal.Data != ""
}

// add takes what an event adds to the block.
func (t *thought) add(ev *chat.Event) {
	if ev.Kind != chat.ReasoningBlock {
		return
	}
	if ev.Open != nil {
		t.text, t.redacted, t.long = t.text[:0], ev.Open.Redacted, false
	}
	if t.long = t.long || len(t.text)+len(ev.Text) > maxThought; !t.long {
		t.text = rawjson.AppendEscaped(t.text, ev.Text)
	}
}

// appendTo appends the block, whole.
func (t *thought) appendTo(dst []byte, seal *chat.Seal) []byte {
	if t.redacted {
		dst = append(dst, `{"type":"redacted_thinking","data":`...)
	} else {
		dst = append(dst, `{"type":"thinking","thinking":`...)
		dst = appendQuoted(dst, t.text)
		dst = append(dst, `,"signature":`...)
	}
	dst = rawjson.AppendString(dst, seal.Data)
	return append(dst, '}')
}
