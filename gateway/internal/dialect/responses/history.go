package responses

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
)

// history puts the items into their canonical order: what an assistant thought, said and
// called in one go is one message, and the results of its calls stand in one message right
// behind it, whatever a user says in between. A call without a result gets one that says so,
// and a result without a call becomes what the user says: other APIs refuse both.
type history struct {
	messages []chat.Message
	places   [][]place
	// calls are all calls, in their order; open are the latest ones by the ids that the client
	// gave them, and taken the ids that they have here.
	calls []*openCall
	open  map[string]*openCall
	taken map[string]bool
	// last is the number in the latest id that was made here.
	last int
	// speaking: the latest message is an assistant's; from are its calls on.
	speaking bool
	from     int
	// speaks: an item says something, if only an instruction: drivers know conversations that have
	// nothing else.
	speaks bool
	// fault is the first thing that is wrong by the API's rules.
	fault *chat.Error
}

// openCall is a call and the message that has the results of its turn.
type openCall struct {
	id       string
	at       place
	results  int
	answered bool
}

// noResult stands for the result of a call that was interrupted.
const noResult = "[no result: the call was interrupted]"

// strayResult stands before a result of which the call is missing.
const strayResult = "[result of a call that is not in the conversation]"

// blame takes note of a fault.
func (h *history) blame(err error) {
	h.speaks = true
	if h.fault == nil {
		h.fault = chat.AsError(err)
	}
}

// say takes a part of what an assistant said.
func (h *history) say(part chat.Part, at place) {
	if !h.speaking {
		h.speaking, h.speaks, h.from = true, true, len(h.calls)
		h.messages, h.places = append(h.messages, chat.Message{Role: chat.Assistant}), append(h.places, nil)
	}
	if part.Call != nil {
		h.call(part.Call, at)
	}
	last := len(h.messages) - 1
	h.messages[last].Parts, h.places[last] = append(h.messages[last].Parts, part), append(h.places[last], at)
}

// call gives a call an id of its own, where the client's is that of another, or missing.
func (h *history) call(call *chat.Call, at place) {
	if h.open == nil {
		h.open, h.taken = map[string]*openCall{}, map[string]bool{}
	}
	given := call.ID
	base := given
	if base == "" {
		base = "call"
	}
	for call.ID == "" || h.taken[call.ID] {
		h.last++
		call.ID = base + "_" + strconv.Itoa(h.last)
	}
	h.taken[call.ID] = true
	mine := &openCall{id: call.ID, at: at}
	h.calls, h.open[given] = append(h.calls, mine), mine
}

// alsoKnown has the call that was given an id be known by another one too.
func (h *history) alsoKnown(given, other string) {
	if other != "" && h.open[other] == nil {
		h.open[other] = h.open[given]
	}
}

// turnOver makes room for the results of an assistant's turn, when it is over.
func (h *history) turnOver() {
	if h.speaking && len(h.calls) > h.from {
		for _, call := range h.calls[h.from:] {
			call.results = len(h.messages)
		}
		h.messages, h.places = append(h.messages, chat.Message{Role: chat.Tool}), append(h.places, nil)
	}
	h.speaking = false
}

// hear takes what anybody else says, unless that is nothing.
func (h *history) hear(role chat.Role, developer bool, parts []chat.Part, places []place) {
	if len(parts) == 0 {
		return
	}
	h.turnOver()
	h.messages = append(h.messages, chat.Message{Role: role, Developer: developer, Parts: parts})
	h.places = append(h.places, places)
	h.speaks = true
}

// result takes what the call of that id came to.
func (h *history) result(callID string, parts []chat.Part, at place) {
	h.turnOver()
	call := h.open[callID]
	if call == nil || call.answered {
		parts = append([]chat.Part{{Text: strayResult}}, parts...)
		places := make([]place, len(parts))
		for i := range places {
			places[i] = at
		}
		h.hear(chat.User, false, parts, places)
		return
	}
	h.answer(call, chat.Result{Parts: parts}, at)
}

func (h *history) answer(call *openCall, result chat.Result, at place) {
	call.answered, result.CallID = true, call.id
	h.messages[call.results].Parts = append(h.messages[call.results].Parts, chat.Part{Result: &result})
	h.places[call.results] = append(h.places[call.results], at)
}

// end is called after the last item, with what stands before the first.
func (h *history) end(instructions string) {
	h.turnOver()
	for _, call := range h.calls {
		if !call.answered {
			h.answer(call, chat.Result{Parts: []chat.Part{{Text: noResult}}, Failed: true}, call.at)
		}
	}
	if instructions != "" {
		h.messages = append([]chat.Message{{Role: chat.System, Parts: []chat.Part{{Text: instructions}}}}, h.messages...)
		h.places = append([][]place{{{item: inInstructions}}}, h.places...)
	}
}

// locate is chat.Request.Locate.
func (h *history) locate(message, part int) string {
	if message < 0 || message >= len(h.places) || len(h.places[message]) == 0 {
		return inputField
	}
	places := h.places[message]
	if part >= 0 && part < len(places) {
		return places[part].String()
	}
	whole := places[0]
	whole.list = ""
	return whole.String()
}
