package openai

import (
	"bytes"
	"crypto/rand"
	"strconv"

	"carousel.internal/gateway/internal/rawjson"
)

// mender brings what an upstream has sent into the form of the API, where it has
// another. It changes nothing else. One answer has it.
type mender struct {
	// whole: the answer is not streamed.
	whole bool
	// tails are the beginnings of characters that chunks ended with, by the text that
	// they belong to. They go before what comes next of it.
	tails map[textKey]string
	calls map[int]*calls // by the choice's index
	buf   []byte
}

// textKey names a text of an answer: a member of a choice's message, or the arguments of
// a call.
type textKey struct {
	choice, call int // call is -1 for a member
	member       string
}

// wants tells whether there may be something to mend in what p was read from.
func (m *mender) wants(p *piece) bool {
	switch {
	case p.flawed, len(m.tails) > 0:
		return true
	case m.whole:
		return !p.message || !p.ended.covers(p.begun) || len(p.event.Calls) > 0
	default:
		return p.message && !p.delta || len(p.event.Calls) > 0 // their indexes depend on the chunks before
	}
}

// mend returns the object in the form of the API; or data, where it has that form. The
// result is valid until the next call.
func (m *mender) mend(data []byte) []byte {
	w := mending{mender: m, s: rawjson.Over(data), edit: rawjson.NewEdit(m.buf[:0], data)}
	w.object()
	if w.s.End() != nil || !w.changed {
		return data
	}
	m.buf = w.edit.Bytes()
	return m.buf
}

// messageName is the name of what a choice says.
func (m *mender) messageName() string {
	if m.whole {
		return "message"
	}
	return "delta"
}

// mending is one pass over a chunk or a whole answer.
type mending struct {
	*mender
	s       rawjson.Scanner
	edit    rawjson.Edit
	changed bool
}

func (w *mending) object() {
	listed, kept := false, false
	for ok := w.s.Object(); ok; ok = w.s.Member() {
		start := w.s.MemberStart()
		switch string(w.s.Key()) {
		case "choices":
			listed = true
			w.choices()
		case "error": // it says nothing, or this would be no answer
			if value := w.s.Skip(); string(value) != "null" {
				w.edit.CutMember(&w.s, start, !kept)
				w.changed = true
				continue
			}
		default:
			w.s.Skip()
		}
		kept = true
	}
	if !listed {
		w.insert(`"choices":[]`, kept)
	}
}

func (w *mending) choices() {
	if w.s.Kind() != rawjson.Array {
		w.replace("[]")
		return
	}
	position := 0
	for ok := w.s.Array(); ok; ok = w.s.Element() {
		w.choice(position)
		position++
	}
}

// outline is what must be known of a choice before it is mended.
type outline struct {
	index  int
	source string // the member that is the message; empty: none is
	ended  bool   // it has a finish_reason
	called bool
}

// outlineOf looks at the choice that s stands before.
func (w *mending) outlineOf(s rawjson.Scanner, position int) outline {
	o := outline{index: position}
	for ok := s.Object(); ok; ok = s.Member() {
		key := string(s.Key())
		switch kind := s.Kind(); {
		case key == "index" && kind == rawjson.Number:
			o.index = s.Int()
		case key == "finish_reason":
			o.ended = true
			s.Skip()
		case kind == rawjson.Object && (key == w.messageName() || (key == "delta" || key == "message") && o.source == ""):
			o.source = key
			value := s.Skip()
			o.called = w.whole && callsIn(value)
		default:
			s.Skip()
		}
	}
	return o
}

func callsIn(message []byte) bool {
	r := reading{data: message, s: rawjson.Over(message)}
	r.message()
	return len(r.p.event.Calls) > 0
}

func (w *mending) choice(position int) {
	message := `"` + w.messageName() + `":{}`
	if w.whole {
		message = `"message":{"role":"assistant","content":""}`
	}
	if w.s.Kind() != rawjson.Object {
		w.replace(`{"index":` + strconv.Itoa(position) + `,` + message + `,"finish_reason":null}`)
		return
	}
	o := w.outlineOf(w.s, position)
	indexed, kept := false, false
	for ok := w.s.Object(); ok; ok = w.s.Member() {
		start := w.s.MemberStart()
		switch key := string(w.s.Key()); {
		case o.source != "" && key == o.source:
			w.rename(start, key)
			w.message(o.index)
		case key == w.messageName(): // it is none
			w.s.Skip()
			w.edit.CutMember(&w.s, start, !kept)
			w.changed = true
			continue
		case key == "finish_reason":
			w.finish(o)
		case key == "index" && w.s.Kind() != rawjson.Number:
			indexed = true
			w.replace(strconv.Itoa(o.index))
		case key == "index":
			indexed = true
			w.s.Skip()
		default:
			w.s.Skip()
		}
		kept = true
	}
	if o.source == "" {
		w.insert(message, kept)
		kept = true
	}
	if !indexed {
		w.insert(`"index":`+strconv.Itoa(o.index), kept)
	}
	if w.whole && !o.ended {
		w.insert(`"finish_reason":`+o.finish(), true)
	}
}

// finish is how a whole choice has ended that does not say so.
func (o outline) finish() string {
	if o.called {
		return `"tool_calls"`
	}
	return `"stop"`
}

func (w *mending) finish(o outline) {
	ahead := w.s
	if !isPending(unquoted(ahead.Skip())) {
		w.s.Skip()
	} else if w.whole {
		w.replace(o.finish())
	} else {
		w.replace("null")
	}
}

func (w *mending) message(choice int) {
	kept := false
	for ok := w.s.Object(); ok; ok = w.s.Member() {
		start := w.s.MemberStart()
		switch key := string(w.s.Key()); {
		case key == "tool_calls" && w.s.Kind() == rawjson.Array:
			if !w.callsFrom(choice) { // some clients take the list for calls to come
				w.edit.CutMember(&w.s, start, !kept)
				w.changed = true
				continue
			}
		case key == "function_call" && w.s.Kind() == rawjson.Object:
			w.function(choice, 0, false)
		case w.s.Kind() == rawjson.String && key != "role":
			w.text(choice, -1)
		default:
			w.s.Skip()
		}
		kept = true
	}
}

// callsFrom mends a list of calls, and tells whether there are any.
func (w *mending) callsFrom(choice int) (any bool) {
	for ok := w.s.Array(); ok; ok = w.s.Element() {
		w.call(choice)
		any = true
	}
	return any
}

// call mends a call, or a piece of one.
func (w *mending) call(choice int) {
	if w.s.Kind() != rawjson.Object {
		w.s.Skip()
		return
	}
	piece := callAhead(w.s)
	if w.calls == nil {
		w.calls = map[int]*calls{}
	}
	if w.calls[choice] == nil {
		w.calls[choice] = &calls{}
	}
	index, begins, renamed := w.calls[choice].place(piece)
	made := ""
	if begins && piece.id == "" {
		made = `"call_` + rand.Text() + `"` // clients must name it when they answer
	}
	indexed, identified := false, false
	for ok := w.s.Object(); ok; ok = w.s.Member() {
		switch key := string(w.s.Key()); {
		case key == "index" && !w.whole:
			indexed = true
			w.replaceIf(piece.index != index, strconv.Itoa(index))
		case key == "id":
			identified = true
			w.replaceIf(made != "", made)
		case (key == "function" || key == "custom") && w.s.Kind() == rawjson.Object:
			w.function(choice, index, renamed)
		default:
			w.s.Skip()
		}
	}
	if !indexed && !w.whole {
		w.insert(`"index":`+strconv.Itoa(index), true)
	}
	if !identified && made != "" {
		w.insert(`"id":`+made, true)
	}
	if begins && !piece.typed {
		w.insert(`"type":"function"`, true)
	}
}

// function mends what is called and with what: arguments are text. Renamed: the call has
// its name already, and clients would join the two.
func (w *mending) function(choice, call int, renamed bool) {
	for ok := w.s.Object(); ok; ok = w.s.Member() {
		switch string(w.s.Key()) {
		case "name":
			w.replaceIf(renamed, `""`)
		case "arguments", "input":
			if w.s.Kind() == rawjson.String {
				w.text(choice, call)
				break
			}
			ahead := w.s
			arguments := string(ahead.Skip())
			switch {
			case arguments != "null":
			case w.whole:
				arguments = "{}"
			default:
				arguments = ""
			}
			w.replace(string(rawjson.AppendString(nil, arguments)))
		default:
			w.s.Skip()
		}
	}
}

// text joins characters that chunks have cut: what a text ends with of one goes before
// what comes next of it. A call below zero is a member of the message.
func (w *mending) text(choice, call int) {
	name := w.s.Key()
	from := w.s.Pos()
	value := w.s.Skip()
	if w.whole || len(value) < len(`""`) {
		return
	}
	text := value[1 : len(value)-1]
	tail := cutTail(text)
	if tail == 0 && len(w.tails) == 0 {
		return
	}
	key := textKey{choice, call, ""}
	if call < 0 {
		key.member = string(name)
	}
	before := w.tails[key]
	joined := before + string(text)
	if tail = cutTail([]byte(joined)); before == "" && tail == 0 {
		return
	}
	delete(w.tails, key)
	if tail > 0 && len(w.tails) < maxTails {
		if w.tails == nil {
			w.tails = map[textKey]string{}
		}
		w.tails[key] = joined[len(joined)-tail:]
		joined = joined[:len(joined)-tail]
	}
	w.edit.Replace(from, w.s.Pos(), `"`+joined+`"`)
	w.changed = true
}

// maxTails bounds how many texts may be in the middle of a character at once.
const maxTails = 1024

// replace consumes a value and puts another in its place.
func (w *mending) replace(with string) { w.replaceIf(true, with) }

func (w *mending) replaceIf(yes bool, with string) {
	w.s.Kind() // goes to the value's first byte
	from := w.s.Pos()
	w.s.Skip()
	if yes && !w.s.Failed() {
		w.edit.Replace(from, w.s.Pos(), with)
		w.changed = true
	}
}

// rename gives the present member the name that the API has for a message.
func (w *mending) rename(start int, key string) {
	if name := w.messageName(); key != name {
		w.s.Kind()
		quote := start + bytes.IndexByte(w.edit.Source(w.s.Pos())[start:], '"')
		w.edit.Replace(quote, w.s.Pos(), `"`+name+`":`)
		w.changed = true
	}
}

// insert adds a member at the end of the object that has just been left.
func (w *mending) insert(member string, comma bool) {
	if w.s.Failed() {
		return
	}
	if comma {
		member = "," + member
	}
	end := w.s.Pos() - 1
	w.edit.Replace(end, end, member)
	w.changed = true
}

// calls are those of a choice, in the order in which they began.
type calls struct {
	known []knownCall
	last  int // in known; the latest that was spoken of
}

type knownCall struct {
	theirs int // the upstream's index for it; -1: it has none
	ours   int
	id     string
	name   string // the first piece of it
}

// callPiece is what a piece of a call says of which call it is.
type callPiece struct {
	index    int // -1: none
	id, name string
	typed    bool
}

// callAhead looks at the piece that s stands before.
func callAhead(s rawjson.Scanner) callPiece {
	piece := callPiece{index: -1}
	for ok := s.Object(); ok; ok = s.Member() {
		switch key := string(s.Key()); {
		case key == "index" && s.Kind() == rawjson.Number:
			piece.index = max(-1, s.Int())
		case key == "id":
			piece.id = text(&s)
		case key == "type":
			piece.typed = text(&s) != ""
		case (key == "function" || key == "custom") && s.Kind() == rawjson.Object:
			for ok := s.Object(); ok; ok = s.Member() {
				if string(s.Key()) == "name" {
					piece.name = text(&s)
				} else {
					s.Skip()
				}
			}
		default:
			s.Skip()
		}
	}
	return piece
}

// maxCalls bounds the calls of a choice that are told apart.
const maxCalls = 1024

// place returns the index of the call that a piece belongs to, whether it begins it, and
// whether it says again, with the id, what the call's name is. Calls are told apart by the
// upstream's index, else by their ids, else by their order: what names a function begins a
// call, and what does not goes on with the last.
func (c *calls) place(piece callPiece) (index int, begins, renamed bool) {
	at := c.find(piece)
	if at < 0 && len(c.known) < maxCalls {
		at = len(c.known)
		c.known = append(c.known, knownCall{theirs: piece.index, ours: c.free(piece.index)})
		begins = true
	}
	call := &c.known[max(at, 0)]
	c.last = max(at, 0)
	if call.id == "" {
		call.id = piece.id
	}
	renamed = !begins && piece.id != "" && piece.id == call.id && piece.name != "" && piece.name == call.name
	if call.name == "" {
		call.name = piece.name
	}
	return call.ours, begins, renamed
}

// find returns where the piece's call is, or -1.
func (c *calls) find(piece callPiece) int {
	for i := len(c.known) - 1; i >= 0; i-- {
		call := &c.known[i]
		switch {
		case piece.index >= 0 && call.theirs == piece.index:
			if piece.id != "" && call.id != "" && piece.id != call.id && piece.name != "" && call.name != "" {
				return -1 // all calls have the same index
			}
			return i
		case piece.index < 0 && piece.id != "" && call.id == piece.id:
			return i
		}
	}
	if piece.index < 0 && piece.id == "" && len(c.known) > 0 && (piece.name == "" || c.known[c.last].name == "") {
		return c.last
	}
	return -1
}

// free is the index of a new call: the wanted one, if no other call has it.
func (c *calls) free(wanted int) int {
	taken, highest := false, -1
	for _, call := range c.known {
		taken = taken || call.ours == wanted
		highest = max(highest, call.ours)
	}
	if wanted < 0 || taken {
		return highest + 1
	}
	return wanted
}
