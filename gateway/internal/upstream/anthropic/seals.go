package anthropic

import (
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// bodyEdit gathers what is changed of a client's body.
type bodyEdit struct {
	// strips: thoughts are looked for; withoutSeals: all of them go, and not those of other
	// upstreams alone.
	strips, withoutSeals bool
	changes              []change
	// thinking and management are where the wishes for thinking, and for what is kept of a
	// conversation, stand in the body.
	thinking, management span
	// inUse: a use of tools goes on of which a thought is gone.
	inUse bool
}

// span is a part of a body.
type span struct{ from, to int }

type change struct {
	span
	with string
}

func (e *bodyEdit) replace(at span, with string) { e.changes = append(e.changes, change{at, with}) }

// apply returns the body with all changes. One without is not copied.
func (e *bodyEdit) apply(source []byte) []byte {
	if len(e.changes) == 0 {
		return source
	}
	slices.SortFunc(e.changes, func(a, b change) int { return a.from - b.from })
	edit := rawjson.NewEdit(nil, source)
	for _, each := range e.changes {
		edit.Replace(each.from, each.to, each.with)
	}
	return edit.Bytes()
}

// stripMessages consumes the messages and takes thoughts out of them.
func (e *bodyEdit) stripMessages(s *rawjson.Scanner) {
	if s.Kind() != rawjson.Array {
		s.Skip()
		return
	}
	for ok := s.Array(); ok; ok = s.Element() {
		if s.Kind() != rawjson.Object {
			s.Skip()
			continue
		}
		var m strippedMessage
		for ok := s.Object(); ok; ok = s.Member() {
			switch key := string(s.Key()); {
			case key == "role" && s.Kind() == rawjson.String:
				m.role = s.Text()
			case key == "content" && s.Kind() == rawjson.Array:
				e.stripBlocks(s, &m)
			default:
				s.Skip()
			}
		}
		switch {
		case m.role == "assistant":
			e.inUse = e.inUse || m.stripped
		case m.role == "user" && !m.results: // a new question
			e.inUse = false
		}
	}
}

// strippedMessage is what is of interest of a message.
type strippedMessage struct {
	role string
	// stripped: a thought is gone; results: there are results of tools.
	stripped, results bool
}

// stripBlocks consumes the blocks of a message. One of which nothing would be left keeps a
// text, since the vendor takes no empty message.
func (e *bodyEdit) stripBlocks(s *rawjson.Scanner, m *strippedMessage) {
	s.Kind()
	from := s.Pos()
	var kept []span
	before := *s
	for ok := s.Array(); ok; ok = s.Element() {
		s.Kind()
		at := s.Pos()
		kind, own := blockOf(s)
		switch {
		case (kind == "thinking" || kind == "redacted_thinking") && (e.withoutSeals || own):
			m.stripped = true
		default:
			m.results = m.results || kind == "tool_result"
			kept = append(kept, span{at, s.Pos()})
		}
	}
	if !m.stripped || s.Failed() {
		return
	}
	blocks := []string{`{"type":"text","text":"(thoughts left out)"}`}
	if len(kept) > 0 {
		blocks = blocks[:0]
		whole := before.Skip() // of the array, from its bracket
		for _, each := range kept {
			blocks = append(blocks, string(whole[each.from-from:each.to-from]))
		}
	}
	e.replace(span{from, s.Pos()}, "["+strings.Join(blocks, ",")+"]")
}

// blockOf consumes a block and tells its type, and whether this gateway has marked it as
// another upstream's.
func blockOf(s *rawjson.Scanner) (kind string, own bool) {
	if s.Kind() != rawjson.Object {
		s.Skip()
		return "", false
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch key := string(s.Key()); {
		case key == "type" && s.Kind() == rawjson.String:
			kind = s.Text()
		case (key == "signature" || key == "data") && s.Kind() == rawjson.String:
			_, _, own = chat.OfForeignSeal(s.Text())
		default:
			s.Skip()
		}
	}
	return kind, own
}

// stopThinking turns thinking off where the vendor would want the thoughts that are gone: with
// a budget, in the middle of a use of tools. What asks to clear thoughts goes with it.
func (e *bodyEdit) stopThinking(source []byte) {
	if !e.inUse || e.thinking.to == 0 || typeOf(source[e.thinking.from:e.thinking.to]) != "enabled" {
		return
	}
	e.replace(e.thinking, `{"type":"disabled"}`)
	s := rawjson.Over(source[e.management.from:e.management.to])
	if s.Kind() != rawjson.Object {
		return
	}
	for ok := s.Object(); ok; ok = s.Member() {
		if string(s.Key()) != "edits" || s.Kind() != rawjson.Array {
			s.Skip()
			continue
		}
		from := e.management.from + s.Pos()
		var kept []string
		for ok := s.Array(); ok; ok = s.Element() {
			if edit := s.Skip(); !strings.HasPrefix(typeOf(edit), "clear_thinking") {
				kept = append(kept, string(edit))
			}
		}
		e.replace(span{from, e.management.from + s.Pos()}, "["+strings.Join(kept, ",")+"]")
	}
}

// typeOf is the type of a JSON object; empty: it has none.
func typeOf(object []byte) string {
	s := rawjson.Over(object)
	if s.Kind() != rawjson.Object {
		return ""
	}
	kind, _ := blockOf(&s)
	return kind
}
