package openai

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
)

// pairCalls gives each call of a conversation an id of its own, and its result the same one.
// Some upstreams count their calls from 0 in each answer, weak clients leave ids out, and
// functions had none: other dialects know a call by nothing else. What is clear already
// stays as it is. The work is linear in the number of calls.
func pairCalls(messages []chat.Message, byName bool) {
	if !byName && idsAreClear(messages) {
		return
	}
	p := pairing{taken: map[string]bool{}}
	for i := range messages {
		message := &messages[i]
		switch message.Role {
		case chat.Assistant:
			p.say(message.Parts)
		case chat.Tool:
			p.answer(message.Parts)
		case chat.System, chat.User:
		}
		p.calling = message.Role == chat.Assistant
	}
}

// idsAreClear tells whether no call has the id of another, or none.
func idsAreClear(messages []chat.Message) bool {
	var seen map[string]bool
	for i := range messages {
		for j := range messages[i].Parts {
			call := messages[i].Parts[j].Call
			switch {
			case call == nil:
				continue
			case call.ID == "" || seen[call.ID]:
				return false
			case seen == nil:
				seen = map[string]bool{}
			}
			seen[call.ID] = true
		}
	}
	return true
}

// pairing goes over a conversation.
type pairing struct {
	// taken are the ids of all calls so far, and last is the number in the latest one that
	// was made here.
	taken map[string]bool
	last  int
	// calling: the message before was an assistant's, whose calls are still to be answered.
	calling bool
	// byID and byName are the calls of the latest turn, by the ids and names that the client
	// gave them.
	byID, byName map[string][]*chat.Call
}

func (p *pairing) say(parts []chat.Part) {
	if !p.calling {
		p.byID, p.byName = map[string][]*chat.Call{}, map[string][]*chat.Call{}
	}
	for i := range parts {
		call := parts[i].Call
		if call == nil {
			continue
		}
		p.byID[call.ID] = append(p.byID[call.ID], call)
		p.byName[call.Name] = append(p.byName[call.Name], call)
		call.ID = p.own(call.ID)
		p.taken[call.ID] = true
	}
}

// own is an id like the one that was given, which no other call has.
func (p *pairing) own(given string) string {
	id := given
	if given == "" {
		given, id = "call", "call_0"
	}
	for p.taken[id] {
		p.last++
		id = given + "_" + strconv.Itoa(p.last)
	}
	return id
}

func (p *pairing) answer(parts []chat.Part) {
	for i := range parts {
		result := parts[i].Result
		if result == nil {
			continue
		}
		call := take(p.byID, result.CallID)
		if call == nil && result.CallID == result.Name { // of a function
			call = take(p.byName, result.Name)
		}
		if call != nil {
			result.CallID = call.ID
		}
	}
}

// take takes the next call of that key; nil: there is none.
func take(calls map[string][]*chat.Call, key string) *chat.Call {
	list := calls[key]
	if len(list) == 0 {
		return nil
	}
	calls[key] = list[1:]
	return list[0]
}
