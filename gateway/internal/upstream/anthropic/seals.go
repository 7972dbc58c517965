package anthropic

import (
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// stripThoughts consumes the messages and cuts thoughts out of them: all, or those that this
// gateway has marked as another upstream's.
func stripThoughts(s *rawjson.Scanner, edit *rawjson.Edit, all bool) {
	if s.Kind() != rawjson.Array {
		s.Skip()
		return
	}
	for ok := s.Array(); ok; ok = s.Element() {
		if s.Kind() != rawjson.Object {
			s.Skip()
			continue
		}
		for ok := s.Object(); ok; ok = s.Member() {
			if string(s.Key()) == "content" && s.Kind() == rawjson.Array {
				stripBlocks(s, edit, all)
			} else {
				s.Skip()
			}
		}
	}
}

// stripBlocks consumes the blocks of a message. One of which nothing would be left keeps a
// text, since the vendor takes no empty message.
func stripBlocks(s *rawjson.Scanner, edit *rawjson.Edit, all bool) {
	s.Kind()
	from := s.Pos()
	var kept []string
	stripped := false
	for ok := s.Array(); ok; ok = s.Element() {
		block := s.Skip()
		if isThought(block, all) {
			stripped = true
		} else {
			kept = append(kept, string(block))
		}
	}
	if !stripped || s.Failed() {
		return
	}
	if len(kept) == 0 {
		kept = append(kept, `{"type":"text","text":"(thoughts left out)"}`)
	}
	edit.Replace(from, s.Pos(), "["+strings.Join(kept, ",")+"]")
}

// isThought tells whether a block is a thought: any, or one that this gateway has marked.
func isThought(block []byte, any bool) bool {
	s := rawjson.Over(block)
	if s.Kind() != rawjson.Object {
		return false
	}
	thought, own := false, false
	for ok := s.Object(); ok; ok = s.Member() {
		switch key := string(s.Key()); {
		case key == "type" && s.Kind() == rawjson.String:
			kind := s.Text()
			thought = kind == "thinking" || kind == "redacted_thinking"
		case (key == "signature" || key == "data") && s.Kind() == rawjson.String:
			_, _, own = chat.OfForeignSeal(s.Text())
		default:
			s.Skip()
		}
	}
	return thought && (any || own)
}
