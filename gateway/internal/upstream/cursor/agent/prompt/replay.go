package prompt

import (
	"slices"

	"carousel.internal/gateway/internal/chat"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
)

// What a model is told that is to go on without a new word of the user.
const (
	afterResults = "Go on, using the results of the tools above."
	afterAnswer  = "Go on with your last message from where it ends. Repeat nothing of it."
	answerLast   = "Answer the user's last message."
)

// replayed has the history in blobs; false: it is too large for them.
func (b *builder) replayed(form Form) (*agentv1.ConversationStateStructure, *agentv1.ConversationAction, bool) {
	entries, resumes := b.arranged(form)
	history, action := entries, resume()
	if !resumes {
		history, action = entries[:len(entries)-1], b.userAction(entries[len(entries)-1])
	}
	history, fits := b.folded(history)
	if !fits {
		return nil, nil, false
	}
	history = joined(history)
	roots, textual := b.roots(history)
	if textual > maxRootBytes {
		return nil, nil, false
	}
	return &agentv1.ConversationStateStructure{
		RootPromptMessagesJson: roots, Turns: b.turns(history), Mode: agentMode.Enum(),
	}, action, true
}

// joined has texts that follow each other as one, so that roots, which have a list of texts, and
// turns, which have one, say the same.
func joined(history []entry) []entry {
	all := make([]entry, len(history))
	for i, each := range history {
		all[i].role = each.role
		for _, p := range each.pieces {
			if last := len(all[i].pieces) - 1; p.text != "" && last >= 0 && all[i].pieces[last].text != "" {
				all[i].pieces[last].text += "\n" + p.text
				continue
			}
			all[i].pieces = append(all[i].pieces, p)
		}
	}
	return all
}

// arranged are the entries as the form has them. The last one is what the user says now, unless
// the run resumes behind results.
func (b *builder) arranged(form Form) (entries []entry, resumes bool) {
	entries, resumes = b.entries, hasCalls(b.entries)
	if form == TextTools {
		entries = spelled(entries)
		if resumes {
			entries, resumes = append(entries, said(chat.User, afterResults)), false
		}
	}
	if !resumes && entries[len(entries)-1].role == chat.Assistant {
		entries = append(slices.Clip(entries), said(chat.User, afterAnswer))
	}
	if b.options.SystemInText {
		entries = b.instructed(entries)
	}
	return entries, resumes
}

func resume() *agentv1.ConversationAction {
	return &agentv1.ConversationAction{Action: &agentv1.ConversationAction_ResumeAction{ResumeAction: &agentv1.ResumeAction{}}}
}

// userAction is what the user says now.
func (b *builder) userAction(e entry) *agentv1.ConversationAction {
	selected := b.selected(e.images())
	if selected == nil {
		selected = &agentv1.SelectedContext{}
	}
	return &agentv1.ConversationAction{Action: &agentv1.ConversationAction_UserMessageAction{
		UserMessageAction: &agentv1.UserMessageAction{UserMessage: &agentv1.UserMessage{
			Text: e.text(), MessageId: b.options.IDs.Message, SelectedContext: selected, Mode: agentMode,
		}},
	}}
}
