package openai

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// stamp is what every chunk of an answer has in common, as JSON values. The
// client knows the answer by the gateway's id and by the model that it asked
// for, whatever the upstream calls them.
type stamp struct {
	id, created, model string
}

// head is the beginning of an answer that is made here: everything up to its
// choices.
func newStamp(req *chat.Request, object string) (s stamp, head string) {
	buf := make([]byte, 0, 96+len(req.ID)+len(req.Model))
	buf = append(buf, `{"id":`...)
	idStart := len(buf)
	buf = rawjson.AppendString(buf, req.ID)
	idEnd := len(buf)
	buf = append(buf, `,"object":"`...)
	buf = append(buf, object...)
	buf = append(buf, `","created":`...)
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
	var seen struct{ id, created, model bool }
	var has found
	kept := false // a member before the current one
	edit := rawjson.NewEdit(dst, raw)
	s := rawjson.Over(raw)
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case "id":
			seen.id = true
			replaceValue(&s, &edit, st.id)
		case "created":
			seen.created = true
			replaceValue(&s, &edit, st.created)
		case "model":
			seen.model = true
			replaceValue(&s, &edit, st.model)
		case "choices":
			has.noChoices = scanChoices(&s, &edit, remove.finish)
		case "usage":
			has.usage = s.Kind() != rawjson.Null
			start := s.MemberStart()
			s.Skip()
			if remove.usage {
				edit.CutMember(&s, start, !kept)
				continue
			}
		default:
			s.Skip()
		}
		kept = true
	}
	end := s.Pos() - 1 // the closing brace
	if s.End() != nil {
		return dst, found{}, false
	}
	if !seen.id || !seen.created || !seen.model {
		edit.Replace(end, end, st.missing(seen.id, seen.created, seen.model, kept))
	}
	return edit.Bytes(), has, true
}

// missing are the members that an upstream has left out, to go at the end of its
// object.
func (st *stamp) missing(id, created, model, comma bool) string {
	var text string
	add := func(key, value string) {
		if comma {
			text += ","
		}
		text += `"` + key + `":` + value
		comma = true
	}
	if !id {
		add("id", st.id)
	}
	if !created {
		add("created", st.created)
	}
	if !model {
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
