package openai

import (
	"bytes"
	"strconv"

	"carousel.internal/gateway/internal/rawjson"
	"carousel.internal/gateway/internal/upstream/wire"
)

// joining makes a whole answer out of the chunks of a stream, for a client that did not
// ask for one. Members that this package has no name for are joined as well: texts
// follow each other, lists too, objects are joined member by member, and of anything
// else the latest counts. One answer has it.
type joining struct {
	members []*member
	choices []*choice
	size    int // bytes of the chunks
}

type choice struct {
	index   int
	members []*member
	message node
}

// node is a value in the making.
type node struct {
	kind rawjson.Kind
	// text is a string between its quotes, escaped as it came: characters that were
	// cut are whole again when all is there. Of numbers and the like it is all.
	text     []byte
	members  []*member
	elements []*node
}

type member struct {
	name  string
	value node
}

// add takes a chunk in the form of the API; wire.ErrTooLarge: all is more than wire.MaxAnswer.
func (j *joining) add(chunk []byte) error {
	if j.size += len(chunk); j.size > wire.MaxAnswer {
		return wire.ErrTooLarge
	}
	s := rawjson.Over(chunk)
	for ok := s.Object(); ok; ok = s.Member() {
		switch name := string(s.Key()); name {
		case "choices":
			for ok := s.Array(); ok; ok = s.Element() {
				j.addChoice(&s)
			}
		case "object":
			s.Skip()
		default:
			latest(&j.members, name, s.Skip())
		}
	}
	return nil
}

func (j *joining) addChoice(s *rawjson.Scanner) {
	ahead := *s
	index := 0
	for ok := ahead.Object(); ok; ok = ahead.Member() {
		if string(ahead.Key()) == "index" {
			index = ahead.Int()
		} else {
			ahead.Skip()
		}
	}
	to := j.choice(index)
	for ok := s.Object(); ok; ok = s.Member() {
		switch name := string(s.Key()); name {
		case "index", "message":
			s.Skip()
		case "delta":
			to.message.join(s, "")
		case "logprobs":
			memberOf(&to.members, name).value.join(s, name)
		default:
			latest(&to.members, name, s.Skip())
		}
	}
}

// choice finds or begins a choice.
func (j *joining) choice(index int) *choice {
	at := 0
	for ; at < len(j.choices) && j.choices[at].index <= index; at++ {
		if j.choices[at].index == index {
			return j.choices[at]
		}
	}
	begun := &choice{index: index, message: node{kind: rawjson.Object}}
	j.choices = append(j.choices, nil)
	copy(j.choices[at+1:], j.choices[at:])
	j.choices[at] = begun
	return begun
}

// latest keeps a value in the place of the one before; null says nothing new.
func latest(members *[]*member, name string, value []byte) {
	to := &memberOf(members, name).value
	if to.kind == rawjson.Invalid || string(value) != "null" {
		s := rawjson.Over(value)
		*to = node{}
		to.join(&s, name)
	}
}

func memberOf(members *[]*member, name string) *member {
	for _, known := range *members {
		if known.name == name {
			return known
		}
	}
	added := &member{name: name}
	if len(*members) < maxNamed {
		*members = append(*members, added)
	}
	return added
}

// maxNamed bounds the members of an object and the numbered elements of a list; the
// API has a few dozen. What is beyond is dropped, or not joined.
const maxNamed = 1024

// isName tells whether a text names something: of it the latest counts, it does not
// grow.
func isName(member string) bool {
	switch member {
	case "role", "id", "type", "format", "object", "model", "finish_reason", "signature", "mime_type", "status":
		return true
	}
	return false
}

// join consumes a value and adds it to what there is of it; name is the member's.
func (n *node) join(s *rawjson.Scanner, name string) {
	kind := s.Kind()
	if kind == rawjson.Null && n.kind != rawjson.Invalid {
		s.Skip()
		return
	}
	if name == "content" && (n.kind == rawjson.Array && kind == rawjson.String || n.kind == rawjson.String && kind == rawjson.Array) {
		n.joinPart(s, kind)
		return
	}
	if kind != n.kind {
		*n = node{kind: kind}
	}
	switch kind {
	case rawjson.String:
		value := s.Skip()
		value = value[1 : len(value)-1]
		if isName(name) && len(value) > 0 {
			n.text = n.text[:0]
		}
		n.text = append(n.text, value...)
	case rawjson.Object:
		for ok := s.Object(); ok; ok = s.Member() {
			name := string(s.Key())
			memberOf(&n.members, name).value.join(s, name)
		}
	case rawjson.Array:
		for ok := s.Array(); ok; ok = s.Element() {
			n.element(*s).join(s, "")
		}
	default:
		n.text = append(n.text[:0], s.Skip()...)
	}
}

// joinPart joins content that comes as a text at one time and in parts at another.
func (n *node) joinPart(s *rawjson.Scanner, kind rawjson.Kind) {
	part := func(text []byte) *node {
		return &node{kind: rawjson.Object, members: []*member{
			{"type", node{kind: rawjson.String, text: []byte("text")}}, {"text", node{kind: rawjson.String, text: text}},
		}}
	}
	if kind == rawjson.String {
		value := s.Skip()
		if text := value[1 : len(value)-1]; len(text) > 0 {
			n.elements = append(n.elements, part(bytes.Clone(text)))
		}
		return
	}
	before := n.text
	*n = node{kind: rawjson.Array}
	if len(before) > 0 {
		n.elements = append(n.elements, part(before))
	}
	n.join(s, "content")
}

// element is where the element that s stands before belongs: pieces with the same
// index are one.
func (n *node) element(s rawjson.Scanner) *node {
	index := elementIndex(s)
	if index != "" {
		for _, element := range n.elements[:min(len(n.elements), maxNamed)] {
			for _, member := range element.members {
				if member.name == "index" && string(member.value.text) == index {
					return element
				}
			}
		}
	}
	added := &node{}
	n.elements = append(n.elements, added)
	return added
}

// elementIndex is the index that an element has as a member; empty: none.
func elementIndex(s rawjson.Scanner) (index string) {
	if s.Kind() != rawjson.Object {
		return ""
	}
	for ok := s.Object(); ok; ok = s.Member() {
		if string(s.Key()) == "index" {
			index = string(s.Skip())
		} else {
			s.Skip()
		}
	}
	return index
}

// whole is the answer, in the form of the API.
func (j *joining) whole() []byte {
	dst := make([]byte, 0, j.size/2+256)
	dst = append(dst, '{')
	for _, member := range j.members {
		dst = append(member.append(dst), ',')
	}
	dst = append(dst, `"object":"chat.completion","choices":[`...)
	for i, choice := range j.choices {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"index":`...)
		dst = strconv.AppendInt(dst, int64(choice.index), 10)
		dst = append(dst, `,"message":`...)
		dst = choice.message.appendMessage(dst)
		for _, member := range choice.members {
			dst = member.append(append(dst, ','))
		}
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

// appendMessage is append, with what every message has and without what only pieces
// have.
func (n *node) appendMessage(dst []byte) []byte {
	if role := memberOf(&n.members, "role"); role.value.kind != rawjson.String || len(role.value.text) == 0 {
		role.value = node{kind: rawjson.String, text: []byte("assistant")}
	}
	if content := memberOf(&n.members, "content"); content.value.kind == rawjson.Invalid {
		content.value = node{kind: rawjson.Null, text: []byte("null")}
	}
	for _, call := range memberOf(&n.members, "tool_calls").value.elements {
		call.remove("index")
	}
	return n.append(dst)
}

func (n *node) remove(name string) {
	kept := n.members[:0]
	for _, member := range n.members {
		if member.name != name {
			kept = append(kept, member)
		}
	}
	n.members = kept
}

func (m *member) append(dst []byte) []byte {
	dst = append(rawjson.AppendString(dst, m.name), ':')
	return m.value.append(dst)
}

func (n *node) append(dst []byte) []byte {
	switch n.kind {
	case rawjson.String:
		return append(append(append(dst, '"'), n.text...), '"')
	case rawjson.Object:
		dst = append(dst, '{')
		first := true
		for _, member := range n.members {
			if member.value.kind == rawjson.Invalid {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = member.append(dst)
		}
		return append(dst, '}')
	case rawjson.Array:
		dst = append(dst, '[')
		for i, element := range n.elements {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = element.append(dst)
		}
		return append(dst, ']')
	case rawjson.Invalid:
		return append(dst, "null"...)
	default:
		return append(dst, n.text...)
	}
}
