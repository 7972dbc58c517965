package rawjson

// Members are some members of an object, read at once and set at once: an object can be large.
type Members struct {
	object []byte
	names  []string
	// values are by names: as they are now, and whether somebody has set them.
	values []string
	set    []bool
}

// MembersOf reads members of an object, which must be valid JSON and must not change. Where
// one is there more than once, the last counts.
func MembersOf(object []byte, names ...string) *Members {
	m := &Members{object: object, names: names, values: make([]string, len(names)), set: make([]bool, len(names))}
	s := Over(object)
	for ok := s.Object(); ok; ok = s.Member() {
		if at := m.index(s.Key()); at >= 0 {
			m.values[at] = string(s.Skip())
		} else {
			s.Skip()
		}
	}
	return m
}

// Get returns a member's value as JSON; empty: there is none, or it is null.
func (m *Members) Get(name string) string {
	if at := m.index([]byte(name)); at >= 0 && m.values[at] != "null" {
		return m.values[at]
	}
	return ""
}

// Set gives one of the members another value, which is JSON; an empty one is that there is none.
func (m *Members) Set(name, value string) {
	if at := m.index([]byte(name)); at >= 0 {
		m.values[at], m.set[at] = value, true
	}
}

// Object copies the object such that members are as they were set, each of them once or not at
// all, and all else is as it was. What was not there is put at the end.
func (m *Members) Object() []byte {
	s, edit := Over(m.object), NewEdit(make([]byte, 0, len(m.object)+spare), m.object)
	done := make([]bool, len(m.names))
	kept := false
	for ok := s.Object(); ok; ok = s.Member() {
		start, at := s.MemberStart(), m.index(s.Key())
		s.Kind() // goes to the value
		from := s.Pos()
		s.Skip()
		switch {
		case at < 0 || !m.set[at]:
			kept = true
		case m.values[at] == "" || done[at]:
			edit.CutMember(&s, start, !kept)
		default:
			edit.Replace(from, s.Pos(), m.values[at])
			done[at], kept = true, true
		}
	}
	if s.Failed() {
		return m.object
	}
	end := s.Pos() - len("}")
	for i, name := range m.names {
		if done[i] || !m.set[i] || m.values[i] == "" {
			continue
		}
		text := append(AppendString(nil, name), ':')
		if kept {
			text = append([]byte{','}, text...)
		}
		edit.Replace(end, end, string(text)+m.values[i])
		kept = true
	}
	return edit.Bytes()
}

func (m *Members) index(name []byte) int {
	for i := range m.names {
		if m.names[i] == string(name) {
			return i
		}
	}
	return -1
}
