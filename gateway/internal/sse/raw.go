package sse

// Raw sends bytes of a stream that is one already, in pieces that may end anywhere. A
// heartbeat waits until a line has ended; an event that follows ends what has not.
func (s *Writer) Raw(piece []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || s.closed || len(piece) == 0 {
		return s.err
	}
	s.raw, s.midLine = true, piece[len(piece)-1] != '\n'
	s.buffer.Write(piece)
	return s.flush()
}

// endRaw ends an event of a stream that came as it is. mu is held.
func (s *Writer) endRaw() {
	if s.midLine {
		s.buffer.WriteByte('\n')
	}
	if s.raw {
		s.buffer.WriteByte('\n')
	}
	s.raw, s.midLine = false, false
}
