package openai

import (
	"bytes"
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// stamp is what every chunk of an answer has in common, as JSON values. The
// client knows the answer by the gateway's id and by the model that it asked
// for, whatever the upstream calls them, and by the kind of object that it is.
type stamp struct {
	id, object, created, model string
	// learns: chunks are alike, so what is found out about one is kept for the next.
	learns bool
	head   stampedHead
	text   stampedText
	// aside are members of chunks that said nothing of any choice, such as what a filter
	// found in the prompt. They go with the next chunk.
	aside string
}

// maxAside bounds what is set aside.
const maxAside = 64 << 10

// stampedHead is the beginning of an upstream's chunk, up to the value of its
// choices, as it came and with the stamp on it.
type stampedHead struct {
	raw, stamped string
	has          identity
}

// stampedText is what stands around the text of an upstream's chunk, with the stamp on
// it. Most chunks differ in nothing else: the driver says which by their shape.
type stampedText struct {
	shape         int // as in chat.Raw; 0: nothing is known
	before, after string
	removed       removal
}

// identity tells which members of the stamp an upstream's answer has.
type identity struct{ id, object, created, model bool }

// head is the beginning of an answer that is made here: everything up to its
// choices.
func newStamp(req *chat.Request, object string) (s stamp, head string) {
	buf := make([]byte, 0, 96+len(req.ID)+len(req.Model))
	buf = append(buf, `{"id":`...)
	idStart := len(buf)
	buf = rawjson.AppendString(buf, req.ID)
	idEnd := len(buf)
	buf = append(buf, `,"object":`...)
	objectStart := len(buf)
	buf = rawjson.AppendString(buf, object)
	objectEnd := len(buf)
	buf = append(buf, `,"created":`...)
	createdStart := len(buf)
	buf = strconv.AppendInt(buf, req.Created.Unix(), 10)
	createdEnd := len(buf)
	buf = append(buf, `,"model":`...)
	modelStart := len(buf)
	buf = rawjson.AppendString(buf, req.Model)
	modelEnd := len(buf)
	buf = append(buf, `,"choices":[`...)
	head = string(buf)
	return stamp{
		id:      head[idStart:idEnd],
		object:  head[objectStart:objectEnd],
		created: head[createdStart:createdEnd],
		model:   head[modelStart:modelEnd],
	}, head
}

// removal says which members of an upstream's answer the client must not see.
type removal struct {
	usage  bool
	finish bool // finish_reason becomes null
}

// found is what a pass over an upstream's answer came across.
type found struct {
	usage     bool // token counts, not null
	noChoices bool // an empty list of choices
}

// appendStamped appends an upstream's answer or chunk with the stamp on it and
// every other byte as it is. It answers false, and dst as it was, when raw is
// not a JSON object.
func (st *stamp) appendStamped(dst, raw []byte, remove removal) ([]byte, found, bool) {
	pass := stamping{stamp: st, edit: rawjson.NewEdit(dst, raw), remove: remove, base: len(dst)}
	if head := &st.head; head.raw != "" && len(raw) > len(head.raw) && string(raw[:len(head.raw)]) == head.raw {
		pass.s = rawjson.Within(raw, len(head.raw))
		pass.edit.Replace(0, len(head.raw), head.stamped)
		pass.seen = head.has
		pass.choices()
		pass.members(pass.s.Member())
	} else {
		pass.s = rawjson.Over(raw)
		pass.learn = st.learns
		pass.members(pass.s.Object())
	}
	end := pass.s.Pos() - 1 // the closing brace
	if pass.s.End() != nil {
		return dst, found{}, false
	}
	if seen := pass.seen; seen != (identity{id: true, object: true, created: true, model: true}) {
		pass.edit.Replace(end, end, st.missing(seen, pass.kept))
	}
	if st.aside != "" {
		pass.edit.Replace(end, end, st.aside)
	}
	return pass.edit.Bytes(), pass.has, true
}

// whole is a whole answer with the stamp on it, and whether it has token counts; nil where it is no
// JSON object. One whose members the driver has noted is not read again.
func (st *stamp) whole(raw *chat.Raw) (stamped []byte, counted bool) {
	if raw.Members == nil || !raw.Members.Known() {
		stamped, has, ok := st.appendStamped(nil, raw.JSON, removal{})
		if !ok {
			return nil, false
		}
		return stamped, has.usage
	}
	edit := rawjson.NewEdit(nil, raw.JSON)
	var seen identity
	for _, member := range raw.Members.All() {
		switch member.Name {
		case "id":
			seen.id = true
			edit.Replace(member.From, member.To, st.id)
		case "object":
			seen.object = true
			edit.Replace(member.From, member.To, st.object)
		case "created":
			seen.created = true
			edit.Replace(member.From, member.To, st.created)
		case "model":
			seen.model = true
			edit.Replace(member.From, member.To, st.model)
		case "usage":
			counted = string(raw.JSON[member.From:member.To]) != "null"
		}
	}
	if seen != (identity{id: true, object: true, created: true, model: true}) {
		end := bytes.LastIndexByte(raw.JSON, '}')
		edit.Replace(end, end, st.missing(seen, true)) // an answer has its choices, if nothing else
	}
	return edit.Bytes(), counted
}

// stamping is one pass over an upstream's answer.
type stamping struct {
	stamp  *stamp
	s      rawjson.Scanner
	edit   rawjson.Edit
	remove removal
	seen   identity
	has    found
	kept   bool // a member before the current one
	learn  bool // the head; nothing that could be removed has come yet
	base   int  // where in the buffer the edited text begins
}

// members goes over the members of the outermost object; ok: it stands in one.
func (p *stamping) members(ok bool) {
	for ; ok; ok = p.s.Member() {
		switch string(p.s.Key()) {
		case "id":
			p.seen.id = true
			replaceValue(&p.s, &p.edit, p.stamp.id)
		case "object":
			p.seen.object = true
			replaceValue(&p.s, &p.edit, p.stamp.object)
		case "created":
			p.seen.created = true
			replaceValue(&p.s, &p.edit, p.stamp.created)
		case "model":
			p.seen.model = true
			replaceValue(&p.s, &p.edit, p.stamp.model)
		case "choices":
			if p.learn {
				p.learnHead()
			}
			p.choices()
		case "usage":
			p.learn = false
			p.has.usage = p.s.Kind() != rawjson.Null
			start := p.s.MemberStart()
			p.s.Skip()
			if p.remove.usage {
				p.edit.CutMember(&p.s, start, !p.kept)
				continue
			}
		default:
			p.s.Skip()
		}
		p.kept = true
	}
}

func (p *stamping) choices() {
	p.has.noChoices = scanChoices(&p.s, &p.edit, p.remove.finish)
	p.kept = true
}

// learnHead keeps all up to the value that comes next.
func (p *stamping) learnHead() {
	p.learn = false
	stamped := p.edit.Upto(p.s.Pos())
	p.stamp.head = stampedHead{raw: string(p.edit.Source(p.s.Pos())), stamped: string(stamped[p.base:]), has: p.seen}
}

// appendText is appendStamped for a chunk of the shape that is known; false: it has
// another, or none.
func (st *stamp) appendText(dst []byte, raw *chat.Raw, remove removal) ([]byte, bool) {
	known := &st.text
	if raw.Shape == 0 || known.shape != raw.Shape || known.removed != remove || st.aside != "" {
		return dst, false
	}
	dst = append(dst, known.before...)
	dst = append(dst, raw.JSON[raw.TextFrom:raw.TextTo]...)
	return append(dst, known.after...), true
}

// learnText keeps what stands around the text of a chunk that became stamped. In
// that the choices are as they came, and so the text stands as far behind their
// beginning.
func (st *stamp) learnText(raw *chat.Raw, stamped []byte, remove removal) {
	head := &st.head
	if !st.learns || st.aside != "" || raw.Shape == 0 || head.raw == "" || raw.TextFrom < len(head.raw) || string(raw.JSON[:len(head.raw)]) != head.raw {
		return
	}
	moved := len(head.stamped) - len(head.raw)
	from, to := raw.TextFrom+moved, raw.TextTo+moved
	if to > len(stamped) || string(stamped[:len(head.stamped)]) != head.stamped ||
		string(stamped[len(head.stamped):to]) != string(raw.JSON[len(head.raw):raw.TextTo]) {
		return
	}
	st.text = stampedText{shape: raw.Shape, before: string(stamped[:from]), after: string(stamped[to:]), removed: remove}
}

// setAside keeps what a chunk has beside the stamp, its choices and its counts.
func (st *stamp) setAside(chunk []byte) {
	s := rawjson.Over(chunk)
	for ok := s.Object(); ok; ok = s.Member() {
		key := string(s.Key())
		value := s.Skip()
		switch key {
		case "id", "object", "created", "model", "choices", "usage":
			continue
		}
		if len(st.aside)+len(key)+len(value) <= maxAside {
			st.aside += "," + string(rawjson.AppendString(nil, key)) + ":" + string(value)
		}
	}
}

// missing are the members that an upstream has left out, to go at the end of its
// object.
func (st *stamp) missing(has identity, comma bool) string {
	var text string
	add := func(key, value string) {
		if comma {
			text += ","
		}
		text += `"` + key + `":` + value
		comma = true
	}
	if !has.id {
		add("id", st.id)
	}
	if !has.object {
		add("object", st.object)
	}
	if !has.created {
		add("created", st.created)
	}
	if !has.model {
		add("model", st.model)
	}
	return text
}

func replaceValue(s *rawjson.Scanner, edit *rawjson.Edit, with string) {
	s.Kind() // goes to the value's first byte
	from := s.Pos()
	s.Skip()
	if !s.Failed() {
		edit.Replace(from, s.Pos(), with)
	}
}

// scanChoices consumes the list of choices, tells whether it is empty, and with
// unfinish turns each finish_reason into null.
func scanChoices(s *rawjson.Scanner, edit *rawjson.Edit, unfinish bool) (empty bool) {
	if s.Kind() != rawjson.Array {
		s.Skip()
		return false
	}
	empty = true
	for ok := s.Array(); ok; ok = s.Element() {
		empty = false
		if !unfinish || s.Kind() != rawjson.Object {
			s.Skip()
			continue
		}
		for ok := s.Object(); ok; ok = s.Member() {
			if string(s.Key()) == "finish_reason" {
				replaceValue(s, edit, "null")
			} else {
				s.Skip()
			}
		}
	}
	return empty
}
