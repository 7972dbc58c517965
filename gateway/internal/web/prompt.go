package web

import (
	"cmp"
	"strings"
)

// message is a part of a logged prompt.
type message struct {
	// Role is system, user or assistant; empty for what stands before the first
	// marker.
	Role string
	Text string
}

// conversation is what of a logged prompt can be sent again as a chat: what tools answered is
// said by the user, and what says nothing is left out.
func conversation(messages []message) []message {
	var said []message
	for _, each := range messages {
		if each.Text == "" {
			continue
		}
		if each.Role == "tool" {
			each.Role = "user"
		}
		said = append(said, message{cmp.Or(each.Role, "user"), each.Text})
	}
	return said
}

// splitPrompt cuts a prompt at its `<|BEGIN_ROLE|>` markers and leaves out the
// `<|END_ROLE|>` ones.
func splitPrompt(prompt string) []message {
	const begin, end, mark = "<|BEGIN_", "<|END_", "|>"
	var messages []message
	add := func(role, text string) {
		if at := strings.LastIndex(text, end); at >= 0 && strings.HasSuffix(strings.TrimSpace(text), mark) {
			text = text[:at]
		}
		if text = strings.TrimSpace(text); text != "" || role != "" {
			messages = append(messages, message{role, text})
		}
	}
	role := ""
	for {
		before, rest, found := strings.Cut(prompt, begin)
		name, text, closed := strings.Cut(rest, mark)
		if !found || !closed {
			add(role, prompt)
			return messages
		}
		add(role, before)
		role, prompt = strings.ToLower(name), text
	}
}
