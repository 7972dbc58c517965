package responses

import (
	"cmp"
	"strconv"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// native is what is known of an answer whose events are passed on.
type native struct {
	// passing: the upstream's events are.
	passing bool
	origin
	// shift is how many events were put in between.
	shift int
	// last is the last event, which Done writes; forgotten: the answer is not kept.
	last      []byte
	name      string
	forgotten bool
	// asked: InBackground has been, since the id is known.
	asked bool
}

// origin is what an upstream says of its answer as a whole, the same in all events that have it.
type origin struct {
	// id is what the upstream calls the answer; empty: it has not said it.
	id string
	// created is when the answer was begun, as a Unix time in seconds; 0: it has not said it.
	created int64
}

// answered is a request whose answer goes by what the upstream says of it, where that has.
func (o origin) answered(request *chat.Request) *chat.Request {
	its := *request
	its.ID = cmp.Or(o.id, its.ID)
	if o.created != 0 {
		its.Created = time.Unix(o.created, 0)
	}
	return &its
}

// isLast tells whether an event is the last of an answer.
func isLast(name string) bool {
	return name == "response.completed" || name == "response.incomplete" || name == "response.failed"
}

// hasAnswer tells whether an event may have all of the answer in it.
func hasAnswer(name string) bool {
	return isLast(name) || name == "response.created" || name == "response.in_progress" || name == "response.queued"
}

// pass writes an upstream's own event: with the client's name of the model, and a number that
// goes on behind what was put in between. What comes after the last one is nothing.
func (s *stream) pass(raw *chat.Raw) error {
	s.native.passing = true
	if s.native.last != nil {
		return nil
	}
	its := numberOf(raw.JSON)
	name := raw.Name
	if name == "" {
		name = textOf(raw.JSON, "type")
	}
	if !s.begun {
		s.liven()
	}
	if its.present {
		s.number = its.number + s.native.shift
	}
	payload := raw.JSON
	if s.native.shift > 0 && its.present {
		edit := rawjson.NewEdit(s.buf[:0], payload)
		edit.Replace(its.from, its.to, strconv.Itoa(s.number))
		s.buf = edit.Bytes()
		payload = s.buf
	}
	if hasAnswer(name) {
		edited, said := ofUpstream(payload, responseMember, s.request.Model)
		payload = edited
		s.native.id, s.native.created = cmp.Or(said.id, s.native.id), cmp.Or(said.created, s.native.created)
	}
	if isLast(name) {
		s.native.last, s.native.name = append([]byte(nil), payload...), name
		return nil
	}
	s.number++
	s.beats, s.held = 0, true
	err := s.sink.Event(name, payload, true)
	if cap(s.buf) > maxKept {
		s.buf = nil
	}
	return err
}

// InBackground implements dialect.Background.
func (s *stream) InBackground() (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.native.id == "" || s.native.asked {
		return ""
	}
	s.native.asked = true
	if string(member(s.request.Source.JSON, "background")) != "true" {
		return ""
	}
	return s.native.id
}

// endNative writes the last event of an answer that was passed on.
func (s *stream) endNative() error {
	if s.native.last == nil {
		return s.fail(errNoEnd)
	}
	s.ended = true
	last := s.native.last
	if s.native.forgotten {
		last = within(last, unstored)
	}
	if s.usage != nil {
		last = within(last, func(response []byte) []byte { return counted(response, s.usage) })
	}
	return s.put(s.native.name, last)
}

// errNoEnd: an upstream has promised a last event.
var errNoEnd = chat.Errorf(chat.UpstreamProtocol, "the upstream's answer has no end: neither response.completed nor another of its last events")

// numbering is an event's number and where it stands.
type numbering struct {
	present  bool
	number   int
	from, to int
}

func numberOf(event []byte) (n numbering) {
	s := rawjson.Over(event)
	for ok := s.Object(); ok; ok = s.Member() {
		if string(s.Key()) != "sequence_number" || s.Kind() != rawjson.Number {
			s.Skip()
			continue
		}
		n.from = s.Pos()
		n.number = s.Int()
		n.present, n.to = true, s.Pos()
		return n // what follows may be long
	}
	return n
}

// responseMember is the member of an event that has the answer.
const responseMember = "response"

// ofUpstream is an upstream's own JSON with the client's name of the model, and what it says of
// the answer; in is the member that has the answer, empty where it is the whole. What is as it is
// to be is not copied.
func ofUpstream(json []byte, in, model string) (renamed []byte, said origin) {
	s := rawjson.Over(json)
	edit := rawjson.NewEdit(nil, json)
	said = rename(&s, &edit, in, model)
	if s.Failed() || edit.Unchanged() {
		return json, said
	}
	return edit.Bytes(), said
}

func rename(s *rawjson.Scanner, edit *rawjson.Edit, in, model string) (said origin) {
	if s.Kind() != rawjson.Object {
		s.Skip()
		return origin{}
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch key := string(s.Key()); {
		case in != "" && key == in:
			said = rename(s, edit, "", model)
		case in == "" && key == "id" && s.Kind() == rawjson.String:
			said.id = s.Text()
		case in == "" && key == "created_at" && s.Kind() == rawjson.Number:
			said.created = int64(s.Int())
		case in == "" && key == modelField && s.Kind() == rawjson.String:
			from := s.Pos()
			if s.Text() != model {
				edit.Replace(from, s.Pos(), string(rawjson.AppendString(nil, model)))
			}
		default:
			s.Skip()
		}
	}
	return said
}

// within changes the answer in an event.
func within(event []byte, edited func(response []byte) []byte) []byte {
	response := member(event, responseMember)
	if response == nil {
		return event
	}
	return changed(event, change{responseMember, string(edited(response))})
}

// unstored is an answer that says that it is not kept.
func unstored(response []byte) []byte { return changed(response, change{storeField, "false"}) }

// counted is an answer with token counts, where it has none.
func counted(response []byte, usage *chat.Usage) []byte {
	if member(response, "usage") != nil {
		return response
	}
	return changed(response, change{"usage", string(appendUsage(nil, usage))})
}
