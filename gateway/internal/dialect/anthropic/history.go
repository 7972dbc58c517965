package anthropic

import (
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
)

// The roles as the API names them.
const (
	user       = "user"
	assistant  = "assistant"
	instructor = "system"
)

// turn is a message as it came.
type turn struct {
	role   string
	parts  []chat.Part
	places []place // of each part
	// later are instructions that stand in the content and hold from here on.
	later       []chat.Part
	laterPlaces []place
	// papers and cites are where the first document and the first citation stand.
	papers, cites *place
}

func (t *turn) add(part chat.Part, at place) {
	t.parts, t.places = append(t.parts, part), append(t.places, at)
}

// attribution begins the block in which Claude Code names its version. It has a hash in it
// that differs from request to request, so that no beginning of a prompt would ever be
// found in a cache; Anthropic alone knows to leave it out.
const attribution = "x-anthropic-billing-header:"

// dropAttribution takes that block out of leading instructions.
func (t *turn) dropAttribution() {
	if len(t.parts) == 0 || !strings.HasPrefix(t.parts[0].Text, attribution) {
		return
	}
	if _, rest, more := strings.Cut(t.parts[0].Text, "\n"); more && strings.TrimSpace(rest) != "" {
		t.parts[0].Text = strings.TrimLeft(rest, "\n")
		return
	}
	t.parts, t.places = t.parts[1:], t.places[1:]
}

// history puts the turns into their canonical order: the results of calls stand in one
// message right behind the calls, whatever a user says beside them. A call without a result
// gets one that says so, and a result without a call becomes what the user says: other
// APIs refuse both.
type history struct {
	messages []chat.Message
	places   [][]place
	// calls are those of the assistant's latest turn; index is where each id is among them,
	// as long as it has no result.
	calls []openCall
	index map[string]int
	// results is the message with their results.
	results int
	// calling: the latest message is the assistant's.
	calling bool
	// speaks: there is a message that is no instruction.
	speaks bool
	// fault is the first thing that is wrong by the API's rules.
	fault *chat.Error
}

// blame takes note of a fault.
func (h *history) blame(err error) {
	h.speaks = true
	if h.fault == nil {
		h.fault = chat.AsError(err)
	}
}

type openCall struct {
	id       string
	at       place
	answered bool
}

// noResult stands for the result of a call that was interrupted.
const noResult = "[no result: the call was interrupted]"

func (h *history) add(t turn) {
	switch t.role {
	case assistant:
		h.say(t)
	case user:
		h.turnOver()
		h.hear(t)
	default:
		h.turnOver()
		h.put(chat.System, t.parts, t.places)
	}
	if len(t.later) > 0 {
		h.turnOver()
		h.put(chat.System, t.later, t.laterPlaces)
	}
}

// put adds a message, unless there is nothing in it.
func (h *history) put(role chat.Role, parts []chat.Part, places []place) {
	if len(parts) == 0 {
		return
	}
	h.messages, h.places = append(h.messages, chat.Message{Role: role, Parts: parts}), append(h.places, places)
	h.speaks = h.speaks || role != chat.System
}

// say takes an assistant's turn.
func (h *history) say(t turn) {
	if !h.calling {
		h.settle()
	}
	h.calling = true
	for i := range t.parts {
		if call := t.parts[i].Call; call != nil {
			if h.index == nil {
				h.index = map[string]int{}
			}
			h.index[call.ID] = len(h.calls)
			h.calls = append(h.calls, openCall{id: call.ID, at: t.places[i]})
		}
	}
	h.put(chat.Assistant, t.parts, t.places)
}

// turnOver makes room for the results of an assistant's turn, when it is over.
func (h *history) turnOver() {
	if h.calling && len(h.calls) > 0 {
		h.results = len(h.messages)
		h.messages, h.places = append(h.messages, chat.Message{Role: chat.Tool}), append(h.places, nil)
	}
	h.calling = false
}

// hear takes a user's turn.
func (h *history) hear(t turn) {
	isResult := func(part chat.Part) bool { return part.Result != nil }
	if !slices.ContainsFunc(t.parts, isResult) {
		h.put(chat.User, t.parts, t.places)
		return
	}
	var parts []chat.Part
	var places []place
	for i, part := range t.parts {
		if part.Result == nil {
			parts, places = append(parts, part), append(places, t.places[i])
			continue
		}
		if at, open := h.index[part.Result.CallID]; open && !h.calls[at].answered {
			h.answer(at, part, t.places[i])
			continue
		}
		said := append([]chat.Part{{Text: "[result of a call that is not in the conversation]"}}, part.Result.Parts...)
		for _, each := range said {
			parts, places = append(parts, each), append(places, t.places[i])
		}
	}
	h.put(chat.User, parts, places)
}

func (h *history) answer(call int, result chat.Part, at place) {
	h.calls[call].answered = true
	message := &h.messages[h.results]
	message.Parts, h.places[h.results] = append(message.Parts, result), append(h.places[h.results], at)
}

// settle ends what there is to say of the calls of a turn.
func (h *history) settle() {
	for i, call := range h.calls {
		if !call.answered {
			h.answer(i, chat.Part{Result: &chat.Result{CallID: call.id, Parts: []chat.Part{{Text: noResult}}, Failed: true}}, call.at)
		}
	}
	h.calls, h.index = h.calls[:0], nil
}

// end is called after the last turn.
func (h *history) end() {
	h.turnOver()
	h.settle()
}

// lead puts the leading instructions before all else; nothing is added before end is called.
func (h *history) lead(system turn) {
	if len(system.parts) == 0 {
		return
	}
	h.messages = append([]chat.Message{{Role: chat.System, Parts: system.parts}}, h.messages...)
	h.places = append([][]place{system.places}, h.places...)
	h.results++
}

// locate is chat.Request.Locate.
func (h *history) locate(message, part int) string {
	if message < 0 || message >= len(h.places) || len(h.places[message]) == 0 {
		return listNames[messages]
	}
	places := h.places[message]
	if part >= 0 && part < len(places) {
		return places[part].String()
	}
	whole := places[0]
	whole.block, whole.inner = none, none
	if whole.list == system {
		whole.at = none
	}
	return whole.String()
}
