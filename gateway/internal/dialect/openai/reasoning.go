package openai

import (
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// reasoningDraft is what an assistant thought, as the many names tell that the API's
// followers have given it.
type reasoningDraft struct {
	text string
	// details is OpenRouter's list, which belongs to the provider behind it.
	details *chat.Opaque
}

// anthropicDialect is the maker of the seals in thinking_blocks: nobody else's have that form.
const anthropicDialect = "anthropic"

// reasoning consumes a member of an assistant's message that tells what it thought.
func (d *decoder) reasoning(m *draft, key string) {
	switch key {
	case "reasoning_content":
		if text := d.word(); text != "" {
			m.reasoning.text = text
		}
	case "reasoning":
		if text := d.word(); m.reasoning.text == "" {
			m.reasoning.text = text
		}
	case "thinking_blocks":
		d.thinkingBlocks(m)
	case "reasoning_details":
		if d.s.Kind() != rawjson.Array {
			d.s.Skip()
			return
		}
		if list := d.s.Skip(); len(list) > len("[]") {
			m.reasoning.details = &chat.Opaque{Dialect: Dialect, Type: key, JSON: list}
		}
	}
}

// parts returns the thoughts as parts: sealed ones where there are any, since the text
// beside them is the same.
func (r *reasoningDraft) parts(sealed []chat.Part) []chat.Part {
	if len(sealed) > 0 {
		return sealed
	}
	if r.text == "" && r.details == nil {
		return nil
	}
	return []chat.Part{{Reasoning: &chat.Reasoning{Text: r.text, Details: r.details}}}
}

// thinkingBlocks consumes the blocks of Anthropic's API, which some clients keep beside the
// text.
func (d *decoder) thinkingBlocks(m *draft) {
	if d.s.Kind() != rawjson.Array {
		d.s.Skip()
		return
	}
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		if d.s.Kind() != rawjson.Object {
			d.s.Skip()
			continue
		}
		thought := chat.Reasoning{Maker: anthropicDialect}
		for ok := d.s.Object(); ok; ok = d.s.Member() {
			switch string(d.s.Key()) {
			case "type":
				thought.Redacted = strings.HasPrefix(d.word(), "redacted")
			case "thinking":
				thought.Text = d.word()
			case "signature", "data":
				thought.Seal = d.word()
			default:
				d.s.Skip()
			}
		}
		if maker, seal, foreign := chat.OfForeignSeal(thought.Seal); foreign {
			thought.Maker, thought.Seal = maker, seal
		}
		m.thoughts = append(m.thoughts, chat.Part{Reasoning: &thought})
	}
}
