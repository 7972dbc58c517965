package chat_test

import (
	"slices"
	"testing"

	"carousel.internal/gateway/internal/chat"
)

func TestMembers(t *testing.T) {
	t.Parallel()
	var m chat.Members
	if m.Known() {
		t.Error("known before anything was read")
	}
	m.Note("a", 5, 7)
	m.Note("b", 12, 20)
	if m.Known() {
		t.Error("known before all was read")
	}
	m.End()
	want := []chat.Member{{"a", 5, 7}, {"b", 12, 20}}
	if !m.Known() || !slices.Equal(m.All(), want) || m.Find("b") != want[1] || m.Find("c") != (chat.Member{}) {
		t.Errorf("%+v", m)
	}
}

// What is there twice can't be told by its name, and what finds no room is not known.
func TestMembersThatCantBeTold(t *testing.T) {
	t.Parallel()
	var twice, many chat.Members
	twice.Note("a", 1, 2)
	twice.Note("a", 3, 4)
	twice.End()
	for name := range 7 {
		many.Note(string(rune('a'+name)), 10*name+1, 10*name+2)
	}
	many.End()
	if twice.Known() || many.Known() {
		t.Errorf("%t %t", twice.Known(), many.Known())
	}
}
