package grammar

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// kind is what a JSON value is.
type kind int

const (
	isAbsent kind = iota
	isNull
	isBool
	isNumber
	isString
	isArray
	isObject
)

// value is a JSON value. The zero value is one that is absent.
type value struct {
	kind     kind
	raw      []byte
	text     string // of a string
	members  []member
	elements []value
}

type member struct {
	key   string
	value value
}

// get returns a member, absent where there is none.
func (v value) get(key string) value {
	for _, m := range v.members {
		if m.key == key {
			return m.value
		}
	}
	return value{}
}

// present tells whether the value says anything.
func (v value) present() bool { return v.kind != isAbsent && v.kind != isNull }

// filled tells whether it is a string that is not empty.
func (v value) filled() bool { return v.kind == isString && v.text != "" }

// is tells whether it is that string.
func (v value) is(text string) bool { return v.kind == isString && v.text == text }

// count is a number that is an integer and not below zero.
func (v value) count() (n int64, ok bool) {
	if v.kind != isNumber {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v.raw), 10, 64)
	return n, err == nil && n >= 0
}

func (v value) isCount() bool {
	_, ok := v.count()
	return ok
}

func (v value) String() string {
	if v.kind == isAbsent {
		return "nothing"
	}
	return brief(v.raw)
}

// parse reads one JSON value; duplicate is a key that an object has twice.
func parse(text []byte) (v value, duplicate string, ok bool) {
	if !json.Valid(text) {
		return value{}, "", false
	}
	p := parser{rest: bytes.TrimLeft(text, space)}
	v = p.value()
	return v, p.duplicate, true
}

const space = " \t\r\n"

// parser reads JSON that is known to be valid.
type parser struct {
	rest      []byte
	duplicate string
}

// value reads a value and the white space after it.
func (p *parser) value() value {
	before := p.rest
	v := value{}
	switch p.rest[0] {
	case '{':
		v.kind = isObject
		v.members = p.object()
	case '[':
		v.kind = isArray
		for more := p.enter(']'); more; more = p.more() {
			v.elements = append(v.elements, p.value())
		}
	case '"':
		v.kind, v.text = isString, p.string()
	default:
		v.kind = map[byte]kind{'n': isNull, 't': isBool, 'f': isBool}[p.rest[0]]
		if v.kind == isAbsent {
			v.kind = isNumber
		}
		p.rest = bytes.TrimLeft(p.rest, "-+.0123456789abcdefghijklmnopqrstuvwxyzE")
	}
	v.raw = before[:len(before)-len(p.rest)]
	p.skip()
	return v
}

func (p *parser) object() []member {
	var members []member
	seen := map[string]bool{}
	for more := p.enter('}'); more; more = p.more() {
		key := p.string()
		p.skip()
		p.rest = p.rest[1:] // the colon
		p.skip()
		if seen[key] {
			p.duplicate = key
		}
		seen[key] = true
		members = append(members, member{key, p.value()})
	}
	return members
}

// enter begins an array or an object; more tells whether it holds anything. The end is
// consumed.
func (p *parser) enter(end byte) (more bool) {
	p.rest = p.rest[1:]
	p.skip()
	if p.rest[0] == end {
		p.rest = p.rest[1:]
		return false
	}
	return true
}

// more goes on after an element; the end is consumed.
func (p *parser) more() bool {
	comma := p.rest[0] == ','
	p.rest = p.rest[1:]
	if comma {
		p.skip()
	}
	return comma
}

func (p *parser) skip() { p.rest = bytes.TrimLeft(p.rest, space) }

func (p *parser) string() string {
	end := 1
	for p.rest[end] != '"' {
		if p.rest[end] == '\\' {
			end++
		}
		end++
	}
	raw := p.rest[:end+1]
	p.rest = p.rest[end+1:]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1:end])
	}
	var text string
	_ = json.Unmarshal(raw, &text) // valid
	return text
}
