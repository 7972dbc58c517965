package prompt

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// soFar stands in front of a transcript.
const soFar = "The conversation so far:"

// labels say who speaks in a transcript.
var labels = map[chat.Role]string{chat.User: "User", chat.Assistant: "Assistant"}

// flattened has everything in what the user says now. A first message stands as it is.
func (b *builder) flattened() (*agentv1.ConversationStateStructure, *agentv1.ConversationAction) {
	now := b.entries[0]
	if len(b.entries) > 1 || now.role != chat.User {
		now = transcript(b.entries)
		now.pieces = append([]piece{{text: soFar}}, now.pieces...)
		now.pieces = append(now.pieces, piece{text: "\n" + goOn(b.entries)})
	}
	now = b.instructed([]entry{now})[0]
	return &agentv1.ConversationStateStructure{Mode: agentMode.Enum()}, b.userAction(now)
}

// goOn is what the model is to do after a transcript.
func goOn(entries []entry) string {
	switch last := entries[len(entries)-1]; {
	case hasCalls(entries):
		return afterResults
	case last.role == chat.Assistant:
		return afterAnswer
	}
	return answerLast
}

// lines are a piece in a transcript. Images are numbered, and follow the text.
func lines(role chat.Role, p piece, images *int) []piece {
	label := "\n" + labels[role] + ":\n"
	switch {
	case p.call != nil:
		return []piece{{text: label + callInWords(p.call) + "\n\n" + resultInWords(p.call)}}
	case p.image != nil:
		*images++
		return []piece{{text: label + "[image " + strconv.Itoa(*images) + "]"}, p}
	case p.thought != "":
		return nil
	}
	return []piece{{text: label + p.text}}
}
