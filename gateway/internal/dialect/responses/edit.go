package responses

import (
	"slices"

	"carousel.internal/gateway/internal/rawjson"
)

// member is the value of an object's member; nil: it has none of that name. The last of equal
// keys counts.
func member(object []byte, name string) (value []byte) {
	s := rawjson.Over(object)
	if s.Kind() != rawjson.Object {
		return nil
	}
	for ok := s.Object(); ok; ok = s.Member() {
		if string(s.Key()) == name {
			value = s.Skip()
		} else {
			s.Skip()
		}
	}
	return value
}

// set is an object with that value of a member, every other byte as it is. What is no object
// is returned as it is.
func set(object []byte, name, value string) []byte {
	s := rawjson.Over(object)
	if s.Kind() != rawjson.Object {
		return object
	}
	edit := rawjson.NewEdit(nil, object)
	found, some := false, false
	for ok := s.Object(); ok; ok = s.Member() {
		some = true
		if string(s.Key()) != name {
			s.Skip()
			continue
		}
		found = true
		s.Kind() // goes to the value's first byte
		from := s.Pos()
		s.Skip()
		edit.Replace(from, s.Pos(), value)
	}
	if s.Failed() {
		return object
	}
	if !found {
		end := s.Pos() - 1 // the closing brace
		text := string(rawjson.AppendString(nil, name)) + ":" + value
		if some {
			text = "," + text
		}
		edit.Replace(end, end, text)
	}
	return edit.Bytes()
}

// without is an object that has no member of these names, every other byte as it is.
func without(object []byte, names ...string) []byte {
	s := rawjson.Over(object)
	edit := rawjson.NewEdit(nil, object)
	kept := false
	for ok := s.Object(); ok; ok = s.Member() {
		start := s.MemberStart()
		drop := slices.Contains(names, string(s.Key()))
		s.Skip()
		if drop {
			edit.CutMember(&s, start, !kept)
		}
		kept = kept || !drop
	}
	if s.Failed() || edit.Unchanged() {
		return object
	}
	return edit.Bytes()
}
