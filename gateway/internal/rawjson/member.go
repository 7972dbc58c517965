package rawjson

// Member is a member of an object: its name, and its value as JSON; an empty value is that
// there is none.
type Member struct{ Name, Value string }

// WithMembers copies an object such that members are as they are given, each of them once or
// not at all, and all else is as it was. The object must be valid JSON; names in it may be
// there more than once, or be escaped. What was not there is put at the end.
func WithMembers(object []byte, members ...Member) []byte {
	s, edit := Over(object), NewEdit(make([]byte, 0, len(object)+spare), object)
	done := make([]bool, len(members))
	kept := false
	for ok := s.Object(); ok; ok = s.Member() {
		start, at := s.MemberStart(), indexOf(members, s.Key())
		if at < 0 {
			s.Skip()
			kept = true
			continue
		}
		s.Kind() // goes to the value
		from := s.Pos()
		s.Skip()
		if members[at].Value == "" || done[at] {
			edit.CutMember(&s, start, !kept)
			continue
		}
		edit.Replace(from, s.Pos(), members[at].Value)
		done[at], kept = true, true
	}
	if s.Failed() {
		return object
	}
	end := s.Pos() - len("}")
	for i, member := range members {
		if done[i] || member.Value == "" {
			continue
		}
		text := append(AppendString(nil, member.Name), ':')
		if kept {
			text = append([]byte{','}, text...)
		}
		edit.Replace(end, end, string(text)+member.Value)
		kept = true
	}
	return edit.Bytes()
}

// MemberOf is the value of an object's member, the last one of that name; nil: there is none,
// or it is null, or the text is no object.
func MemberOf(object []byte, name string) []byte {
	s := Over(object)
	var value []byte
	if s.Kind() != Object {
		return nil
	}
	for ok := s.Object(); ok; ok = s.Member() {
		if string(s.Key()) == name {
			value = s.Skip()
		} else {
			s.Skip()
		}
	}
	if s.Failed() || string(value) == "null" {
		return nil
	}
	return value
}

func indexOf(members []Member, name []byte) int {
	for i := range members {
		if members[i].Name == string(name) {
			return i
		}
	}
	return -1
}
