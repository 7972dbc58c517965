package logindex

// symbol stands for a text that many entries share.
type symbol uint32

const (
	// untold is a text for which there was no room: it may be any.
	untold symbol = 0
	// absent is a text that no entry is known to have.
	absent = ^symbol(0)
	// textOverhead is about what a text takes beside its bytes.
	textOverhead = 100
)

// symbols keeps each text once, as long as an entry has it, and of all texts no
// more than a number of bytes.
type symbols struct {
	room  int // bytes left
	known map[string]symbol
	// texts and uses are by symbol.
	texts []string
	uses  []int
	free  []symbol
}

func newSymbols(room int) *symbols {
	return &symbols{room: room, known: map[string]symbol{}, texts: make([]string, 1), uses: make([]int, 1)}
}

// take answers the text's symbol for one more entry.
func (s *symbols) take(text string) symbol {
	if sym, is := s.known[text]; is {
		s.uses[sym]++
		return sym
	}
	if s.room < len(text)+textOverhead {
		return untold
	}
	s.room -= len(text) + textOverhead
	var sym symbol
	if n := len(s.free); n > 0 {
		sym, s.free = s.free[n-1], s.free[:n-1]
	} else {
		sym = symbol(len(s.texts)) //nolint:gosec // the room allows for far fewer
		s.texts, s.uses = append(s.texts, ""), append(s.uses, 0)
	}
	s.known[text], s.texts[sym], s.uses[sym] = sym, text, 1
	return sym
}

// drop takes back one take.
func (s *symbols) drop(sym symbol) {
	if sym == untold {
		return
	}
	if s.uses[sym]--; s.uses[sym] > 0 {
		return
	}
	s.room += len(s.texts[sym]) + textOverhead
	delete(s.known, s.texts[sym])
	s.texts[sym] = ""
	s.free = append(s.free, sym)
}

// find answers the text's symbol.
func (s *symbols) find(text string) symbol {
	if sym, is := s.known[text]; is {
		return sym
	}
	return absent
}
