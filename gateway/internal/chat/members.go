package chat

// Member is where the value of a member of an object stands in a text: from its first byte to
// before another.
type Member struct {
	Name     string
	From, To int
}

// Members are those of the outermost object of a text that may be changed on its way. Who reads the
// text notes them, so that who changes it need not read it again. Of the zero Members nothing is
// known.
type Members struct {
	list  [6]Member
	count int
	// ended: all of the text has been read. vague: one of them is there twice, or there are too
	// many.
	ended, vague bool
}

// Note notes a member when its value has been read.
func (m *Members) Note(name string, from, to int) {
	if m.Find(name) != (Member{}) || m.count == len(m.list) {
		m.vague = true
		return
	}
	m.list[m.count] = Member{name, from, to}
	m.count++
}

// End notes that all of the text has been read.
func (m *Members) End() { m.ended = true }

// Known tells whether these are all members of their names, each of them there once.
func (m *Members) Known() bool { return m.ended && !m.vague }

// All returns the members in the order in which they stand.
func (m *Members) All() []Member { return m.list[:m.count] }

// Find returns the member of a name; the zero Member: there is none.
func (m *Members) Find(name string) Member {
	for _, member := range m.All() {
		if member.Name == name {
			return member
		}
	}
	return Member{}
}
