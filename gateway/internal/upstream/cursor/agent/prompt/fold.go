package prompt

import "carousel.internal/gateway/internal/chat"

// foldStep is by how many entries more of the history are folded. Most requests of a long
// conversation then begin with the same roots as the one before.
const foldStep = 32

// earlier stands in front of what was folded.
const earlier = "Earlier in this conversation:"

// folded makes one message of the oldest entries, so that there are no more roots than the
// upstream takes. Nothing is lost but their form. False: even the latest entry has too many.
func (b *builder) folded(history []entry) ([]entry, bool) {
	room := maxRoots
	if b.instructions != "" {
		room--
	}
	total := 0
	for _, each := range history {
		total += rooted(each)
	}
	if total <= room {
		return history, true
	}
	left, least := total, 0 // of the roots behind the first entries, so many of which are folded at least
	for left > room-1 && least < len(history) {
		left -= rooted(history[least])
		least++
	}
	if least == len(history) {
		return nil, false
	}
	cut := (least + foldStep - 1) / foldStep * foldStep
	if cut >= len(history) {
		cut = least
	}
	old := transcript(history[:cut])
	old.pieces = append([]piece{{text: earlier}}, old.pieces...)
	return append([]entry{old}, history[cut:]...), true
}

// transcript is a history as one message of the user.
func transcript(history []entry) entry {
	script := entry{role: chat.User}
	images := 0
	for _, each := range history {
		for _, p := range each.pieces {
			script.pieces = append(script.pieces, lines(each.role, p, &images)...)
		}
	}
	return script
}
