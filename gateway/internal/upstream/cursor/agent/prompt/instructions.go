package prompt

import (
	"strconv"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// What stands around instructions in front of a user's text.
const (
	instructionsBegin = "----- Instructions -----"
	instructionsEnd   = "----- End of the instructions -----"
)

// jsonWish is what a model is told that is to answer in JSON: the upstream has no field for it.
const jsonWish = "Answer with one JSON object and nothing else: no words around it, no code fence."

// begin joins the instructions. Instructions alone are a question.
func (b *builder) begin(system []string) error {
	if len(b.entries) == 0 {
		if len(system) == 0 {
			return chat.Errorf(chat.EmptyMessages, "the request has no messages with content")
		}
		b.entries = []entry{said(chat.User, valid(strings.Join(system, "\n\n")))}
		system = nil
	} else if len(system) == 0 && strings.TrimSpace(b.options.Instructions) != "" {
		system = append(system, b.options.Instructions)
	}
	system = append(system, b.wishes()...)
	b.instructions = valid(strings.Join(system, "\n\n"))
	if len(b.instructions) > maxText {
		return tooLong("the system prompt", len(b.instructions))
	}
	return nil
}

// wishes are what the upstream has no field for, as sentences.
func (b *builder) wishes() (sentences []string) {
	if len(b.tools.declared) > 0 && b.request.ToolChoice.Mode == chat.ToolsRequired {
		sentences = append(sentences, b.toolWish())
	}
	switch b.request.Output.Form {
	case chat.JSONOutput:
		sentences = append(sentences, jsonWish)
	case chat.SchemaOutput:
		sentences = append(sentences, jsonWish+" It is valid by this JSON Schema:\n"+string(b.request.Output.Schema))
	case chat.TextOutput:
	}
	return sentences
}

func (b *builder) toolWish() string {
	if only := b.tools.declared; len(only) == 1 {
		return "You must call the tool " + strconv.Quote(only[0].GetToolName()) + " of the provider " + Provider + " in this answer."
	}
	return "You must call at least one tool of the provider " + Provider + " in this answer."
}

// instructed puts the instructions in front of what the user said last, in a copy.
func (b *builder) instructed(entries []entry) []entry {
	if b.instructions == "" {
		return entries
	}
	for i := len(entries) - 1; i >= 0; i-- {
		if entries[i].role != chat.User {
			continue
		}
		changed := append([]entry(nil), entries...)
		changed[i].pieces = append([]piece{{text: b.preamble()}}, entries[i].pieces...)
		return changed
	}
	return entries
}

func (b *builder) preamble() string {
	return instructionsBegin + "\n" + b.instructions + "\n" + instructionsEnd
}
