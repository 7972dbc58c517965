package relay

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// Affinity says which requests stay on one token. The zero value: none does.
type Affinity string

// The affinities.
const (
	// Conversations are requests that name what they belong to, and those that plainly go
	// on with a conversation.
	Conversations Affinity = "conversations"
	// Named are only those that name it.
	Named Affinity = "named"
)

// affinityKey implements cargo. It is a hash: the store need not know who they are.
func (c *conversation) affinityKey() string {
	if c.hasChosen() { // there is no choice
		return ""
	}
	key := c.policy.keyOfName(c.asked.Session, c.asked.User)
	if key == "" && c.policy.Affinity == Conversations && goesOn(c.asked) {
		key = keyOf(func(m *mark) { m.addConversation(c.asked) })
	}
	return key
}

// keyOfName is the key of requests that name what they belong to, a session or else a user,
// as far as the policy keeps these together.
func (p Policy) keyOfName(session, user string) string {
	name := ""
	switch {
	case session != "" && (p.Sticky || p.Affinity == Named || p.Affinity == Conversations):
		name = session
	case p.Sticky:
		name = user
	}
	if name == "" {
		return ""
	}
	return keyOf(func(m *mark) { m.add(maxMarked, name) })
}

// goesOn tells whether a request belongs to a conversation: it has an answer in it, or
// tools, whose results come with the next one. A single question has neither.
func goesOn(request *chat.Request) bool {
	if len(request.Tools) > 0 {
		return true
	}
	for i := range request.Messages {
		if request.Messages[i].Role == chat.Assistant {
			return true
		}
	}
	return false
}

// maxMarked bounds what is hashed of each: instructions, tools, the first question; in
// bytes.
const maxMarked = 64 << 10

// mark hashes what does not change while a conversation goes on.
type mark struct {
	hash   hash.Hash
	buffer [1 << 10]byte
}

func keyOf(fill func(*mark)) string {
	m := &mark{hash: sha256.New()}
	fill(m)
	return hex.EncodeToString(m.hash.Sum(nil)[:8])
}

// addConversation adds what all turns of a conversation begin with: the instructions before
// the first message, the tools, and the first question. How texts are cut into parts does
// not matter.
func (m *mark) addConversation(request *chat.Request) {
	messages := request.Messages
	begin := 0
	for begin < len(messages) && messages[begin].Role == chat.System {
		begin++
	}
	m.addTexts(messages[:begin], withoutAttribution)
	room := maxMarked
	for i := range request.Tools {
		tool := &request.Tools[i]
		room = m.add(room, tool.Name)
		room = m.add(room, tool.Description)
		room = m.add(room, string(tool.Schema[:min(room, len(tool.Schema))]))
	}
	m.end()
	for i := begin; i < len(messages); i++ {
		if messages[i].Role == chat.User {
			m.addTexts(messages[i:i+1], nil)
			break
		}
	}
}

// addTexts adds the texts of messages. change is what becomes of the first; nil: nothing.
func (m *mark) addTexts(messages []chat.Message, change func(string) string) {
	room := maxMarked
	for i := range messages {
		for n := range messages[i].Parts {
			part := &messages[i].Parts[n]
			if !part.IsText() {
				continue
			}
			text := part.Text
			if change != nil {
				text, change = change(text), nil
			}
			room = m.add(room, text)
		}
	}
	m.end()
}

// add adds as much of a text as there is room for, and returns the room that is left.
func (m *mark) add(room int, text string) (left int) {
	text = text[:min(room, len(text))]
	left = room - len(text)
	for len(text) > 0 {
		n := copy(m.buffer[:], text)
		_, _ = m.hash.Write(m.buffer[:n]) // never fails
		text = text[n:]
	}
	return left
}

// end keeps what comes apart from what came.
func (m *mark) end() { _, _ = m.hash.Write([]byte{0}) }

// attribution begins the line with which Claude Code's instructions begin. It tells of the
// client, and of the request: it changes from one to the next. A Messages request has lost
// it by now, a Chat request that somebody has made of one may have it.
const attribution = "x-anthropic-billing-header:"

func withoutAttribution(text string) string {
	if !strings.HasPrefix(text, attribution) {
		return text
	}
	_, rest, _ := strings.Cut(text, "\n")
	return rest
}
