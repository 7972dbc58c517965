package openai

import (
	"bytes"
	"fmt"
)

// members watches an object go by, in pieces of any size, and keeps the values of a few
// of its members. It checks nothing: of what is no object it keeps nothing that makes
// sense, and no more than of one that is.
type members struct {
	depth             int
	inString, escaped bool
	// At depth 1: key is the latest string, which is a member's name if a colon follows.
	key     []byte
	keeping string // the member whose value goes by; empty: of no interest
	kept    map[string][]byte
}

// keptMembers are the names that count, and maxKept bounds the value of each, in bytes: of
// a longer one nothing is kept.
var keptMembers = map[string]bool{"usage": true, "type": true, "error": true, "choices": true}

const (
	maxKept = 8 << 10
	maxKey  = 16
)

func (m *members) reset() {
	kept := m.kept
	clear(kept)
	*m = members{kept: kept, key: m.key[:0]}
}

// value is that of a member; nil where there is none.
func (m *members) value(name string) []byte { return m.kept[name] }

// whole is an object with one member alone.
func (m *members) whole(name string) []byte {
	value := m.value(name)
	if value == nil {
		value = []byte("null")
	}
	return fmt.Appendf(nil, `{%q:%s}`, name, value)
}

func (m *members) see(data []byte) {
	for len(data) > 0 {
		if m.inString {
			data = data[m.text(data):]
			continue
		}
		at := bytes.IndexAny(data, "\"{}[],:")
		if at < 0 {
			m.keep(data)
			return
		}
		m.keep(data[:at])
		m.sign(data[at])
		data = data[at+1:]
	}
}

// text takes as much of a string as there is, and returns how much that was.
func (m *members) text(data []byte) int {
	at := 0
	for at < len(data) {
		if m.escaped {
			m.escaped = false
			at++
			continue
		}
		next := bytes.IndexAny(data[at:], `"\`)
		if next < 0 {
			at = len(data)
			break
		}
		at += next + 1
		if data[at-1] == '\\' {
			m.escaped = true
			continue
		}
		m.inString = false
		break
	}
	m.keep(data[:at])
	if m.depth == 1 && m.keeping == "" && len(m.key) <= maxKey {
		m.key = append(m.key, data[:min(at, maxKey+2)]...)
	}
	return at
}

// sign takes a sign outside of strings.
func (m *members) sign(c byte) {
	switch c {
	case '"':
		m.inString = true
		if m.depth == 1 && m.keeping == "" {
			m.key = m.key[:0]
		}
	case ':':
		if name := bytes.TrimSuffix(m.key, []byte{'"'}); m.depth == 1 && m.keeping == "" && keptMembers[string(name)] {
			m.keeping = string(name)
			if m.kept == nil {
				m.kept = map[string][]byte{}
			}
			m.kept[m.keeping] = make([]byte, 0, 64)
			return
		}
	case '{', '[':
		m.depth++
	case '}', ']':
		if m.depth == 1 {
			m.keeping = ""
		}
		m.depth--
	case ',':
		if m.depth == 1 {
			m.keeping, m.key = "", m.key[:0]
			return
		}
	}
	m.keep([]byte{c})
}

// keep adds to the value that goes by.
func (m *members) keep(piece []byte) {
	if m.keeping == "" || len(piece) == 0 {
		return
	}
	kept := m.kept[m.keeping]
	if len(kept) == 0 {
		piece = bytes.TrimLeft(piece, " \t\r\n")
	}
	if len(kept)+len(piece) > maxKept {
		delete(m.kept, m.keeping)
		m.keeping = ""
		return
	}
	m.kept[m.keeping] = append(kept, piece...)
}
