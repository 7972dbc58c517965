package responses

import "strconv"

// comment is what is sent when all is silent.
const comment = ": still here\n"

// loudBeats is how many silences there are until an event is sent in the place of a comment:
// a minute, where the sink takes fifteen seconds for one. Codex waits five for an event, and
// takes a comment for nothing at all.
const loudBeats = 4

// liven settles that the stream has begun, and what is sent in its silences.
func (s *stream) liven() {
	s.begun = true
	if s.codex { // readers of other clients may not know the event
		s.sink.Heartbeat(s.beat)
	}
}

// beat returns what is sent in a silence. The sink is locked meanwhile, and so must not be
// waited for: where an event is just being written, it is no silence.
func (s *stream) beat() string {
	if !s.mu.TryLock() {
		return comment
	}
	defer s.mu.Unlock()
	if s.beats++; s.beats%loudBeats != 0 || s.ended || s.native.last != nil {
		return comment
	}
	number := s.number
	s.number++
	s.native.shift++
	return "event: keepalive\ndata: {\"type\":\"keepalive\",\"sequence_number\":" + strconv.Itoa(number) + "}\n\n"
}
