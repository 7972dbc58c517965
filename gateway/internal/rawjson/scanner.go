package rawjson

import (
	"fmt"
	"math"
	"strconv"
	"unsafe"
)

// MaxDepth is how deep objects and arrays may nest. Real requests stay below
// fifty; the bound keeps a hostile one from growing the stack.
const MaxDepth = 512

// Kind is the type of a JSON value.
type Kind byte

// The kinds. Invalid is the kind of what is no value at all.
const (
	Invalid Kind = iota
	Object
	Array
	String
	Number
	Bool
	Null
)

// String names the kind as a person would, with its article.
func (k Kind) String() string {
	return [...]string{"nothing", "an object", "an array", "a string", "a number", "a boolean", "null"}[k]
}

var kindOf = func() (table [256]Kind) {
	table['{'], table['['], table['"'] = Object, Array, String
	table['t'], table['f'], table['n'] = Bool, Bool, Null
	table['-'] = Number
	for digit := '0'; digit <= '9'; digit++ {
		table[digit] = Number
	}
	return table
}()

// SyntaxError says where and why text is no JSON.
type SyntaxError struct {
	// Offset counts the bytes before the fault.
	Offset  int
	Message string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return e.Message + " at byte " + strconv.Itoa(e.Offset)
}

// Scanner walks over one JSON text. Its error sticks: after one, every method
// answers zero and every loop ends, so it is enough to ask End once.
//
//	for ok := s.Object(); ok; ok = s.Member() {
//		switch string(s.Key()) {
//		case "model":
//			model = s.Text()
//		default:
//			s.Skip()
//		}
//	}
//
// Each member or element must be consumed by exactly one call.
type Scanner struct {
	data  []byte
	pos   int
	depth int
	err   *SyntaxError

	key     []byte // as in the text, without the quotes
	escaped bool   // key has escapes
	member  int    // where the current member begins, its comma included
}

// Over answers a Scanner at the beginning of data, which must not change.
func Over(data []byte) Scanner { return Scanner{data: data} }

// Within answers a Scanner that stands before the value of a member of the
// outermost object, at data[pos]. What is before it must be the beginning of a
// text that another Scanner has come as far with.
func Within(data []byte, pos int) Scanner { return Scanner{data: data, pos: pos, depth: 1} }

// Pos is the offset of the next byte that is to be read.
func (s *Scanner) Pos() int { return s.pos }

// MemberStart is where the current member begins: at the comma that separates it
// from the one before, or for a first member at its key. Ask before the value is consumed: a
// value has members of its own.
func (s *Scanner) MemberStart() int { return s.member }

// Kind looks at the next value without consuming it.
func (s *Scanner) Kind() Kind {
	s.space()
	if s.err != nil || s.pos == len(s.data) {
		return Invalid
	}
	return kindOf[s.data[s.pos]]
}

// Object enters the object that must come next and goes to its first member. It
// answers false, having left it, when there is none.
func (s *Scanner) Object() bool {
	if !s.enter('{', "an object") || s.leave('}') {
		return false
	}
	s.member = s.pos
	return s.shortKey(s.pos) || s.readKey()
}

// Member goes to the next member of the object, or leaves it and answers false.
func (s *Scanner) Member() bool {
	s.space()
	if s.err != nil || s.leave('}') {
		return false
	}
	s.member = s.pos
	if s.pos < len(s.data) && s.data[s.pos] == ',' && s.shortKey(skipSpace(s.data, s.pos+1)) {
		return true
	}
	if !s.expect(',', "a comma or a closing brace") {
		return false
	}
	s.space()
	return s.readKey()
}

// Key is the current member's name. It is valid until the next Object or
// Member.
func (s *Scanner) Key() []byte {
	if s.escaped {
		return appendUnescaped(nil, s.key)
	}
	return s.key
}

// Array enters the array that must come next and goes to its first element. It
// answers false, having left it, when there is none.
func (s *Scanner) Array() bool {
	return s.enter('[', "an array") && !s.leave(']')
}

// Element goes to the next element of the array, or leaves it and answers
// false.
func (s *Scanner) Element() bool {
	s.space()
	if s.err != nil || s.leave(']') {
		return false
	}
	if !s.expect(',', "a comma or a closing bracket") {
		return false
	}
	s.space()
	return true
}

// Skip consumes the next value, whatever it is, and answers its text.
func (s *Scanner) Skip() []byte {
	kind := s.Kind()
	start := s.pos
	if s.err == nil {
		if end := skipValue(s.data, start, MaxDepth-s.depth); end >= 0 {
			s.pos = end
			return s.data[start:end]
		}
	}
	switch kind {
	case Object:
		for ok := s.Object(); ok; ok = s.Member() {
			s.Skip()
		}
	case Array:
		for ok := s.Array(); ok; ok = s.Element() {
			s.Skip()
		}
	case String:
		s.rawString()
	case Number:
		s.number()
	case Bool:
		s.Bool()
	case Null:
		s.literal("null")
	case Invalid:
		s.unexpected("a value")
	}
	if s.err != nil {
		return nil
	}
	return s.data[start:s.pos]
}

// Text consumes the string that must come next and answers a copy of it,
// decoded.
func (s *Scanner) Text() string {
	raw, escaped := s.rawString()
	if !escaped {
		return string(raw)
	}
	return decoded(raw)
}

// Word is Text for a string that is compared and not kept: it is valid as long as nobody changes
// what is scanned.
func (s *Scanner) Word() []byte {
	raw, escaped := s.rawString()
	if escaped {
		return appendUnescaped(nil, raw)
	}
	return raw
}

// decoded decodes into a buffer that becomes the text: a prompt of many megabytes is
// not copied twice. Where much of the buffer would be kept for nothing, it is.
func decoded(raw []byte) string {
	buffer := appendUnescaped(make([]byte, 0, len(raw)), raw)
	if len(buffer) < len(raw)*3/4 {
		return string(buffer)
	}
	return unsafe.String(unsafe.SliceData(buffer), len(buffer)) //nolint:gosec // nobody else has the buffer
}

// Inside decodes what stands between the quotes of a string. It answers false when
// that is no such thing.
func Inside(raw []byte) (text string, ok bool) {
	switch {
	case run(raw, 0) == len(raw):
		return string(raw), true
	case !isInside(raw):
		return "", false
	}
	return decoded(raw), true
}

// isInside tells whether that can stand between the quotes of a string.
func isInside(raw []byte) bool {
	for i := run(raw, 0); i < len(raw); i = run(raw, i) {
		length := escapeLength(raw[i:])
		if length == 0 {
			return false
		}
		i += length
	}
	return true
}

// Bool consumes the boolean that must come next.
func (s *Scanner) Bool() bool {
	if s.Kind() == Bool && s.data[s.pos] == 't' {
		return s.literal("true")
	}
	s.literal("false")
	return false
}

// Int consumes the number that must come next. A fraction is cut off, and what
// an int can't hold becomes the nearest that it can.
func (s *Scanner) Int() int {
	s.space()
	raw := s.number()
	if s.err != nil {
		return 0
	}
	if value, err := strconv.Atoi(string(raw)); err == nil {
		return value
	}
	value, _ := strconv.ParseFloat(string(raw), 64)
	switch {
	case value >= math.MaxInt:
		return math.MaxInt
	case value <= math.MinInt:
		return math.MinInt
	}
	return int(value)
}

// Err is the fault that stopped the scanner; nil where there is none.
func (s *Scanner) Err() *SyntaxError { return s.err }

// Failed tells whether a fault has stopped the scanner.
func (s *Scanner) Failed() bool { return s.err != nil }

// End demands that nothing but white space follows, and answers the first fault
// of the whole text.
func (s *Scanner) End() *SyntaxError {
	s.space()
	if s.err == nil && s.pos < len(s.data) {
		s.unexpected("the end of the text")
	}
	return s.err
}

func (s *Scanner) space() { s.pos = skipSpace(s.data, s.pos) }

func (s *Scanner) enter(open byte, what string) bool {
	s.space()
	if !s.expect(open, what) {
		return false
	}
	if s.depth++; s.depth > MaxDepth {
		s.fail(s.pos-1, "nested deeper than "+strconv.Itoa(MaxDepth)+" levels")
		return false
	}
	s.space()
	return true
}

// leave consumes the closing bracket where it is next.
func (s *Scanner) leave(closing byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == closing {
		s.pos++
		s.depth--
		return true
	}
	return false
}

// shortKey is readKey for the usual key, which begins at i.
func (s *Scanner) shortKey(i int) bool {
	quote, value := skipKey(s.data, i)
	if value < 0 {
		return false
	}
	s.key, s.escaped, s.pos = s.data[i+1:quote], false, value
	return true
}

func (s *Scanner) readKey() bool {
	if s.pos < len(s.data) && s.data[s.pos] != '"' {
		s.unexpected("a key in double quotes")
		return false
	}
	s.key, s.escaped = s.rawString()
	s.space()
	if !s.expect(':', "a colon after the key") {
		return false
	}
	s.space()
	return true
}

func (s *Scanner) expect(c byte, what string) bool {
	if s.err != nil {
		return false
	}
	if s.pos == len(s.data) || s.data[s.pos] != c {
		s.unexpected(what)
		return false
	}
	s.pos++
	return true
}

// rawString consumes a string and answers what is between its quotes.
func (s *Scanner) rawString() (raw []byte, escaped bool) {
	s.space()
	if !s.expect('"', "a string") {
		return nil, false
	}
	start := s.pos
	for {
		s.pos = run(s.data, s.pos)
		if s.pos == len(s.data) {
			s.fail(s.pos, "the text ends inside a string")
			return nil, false
		}
		switch s.data[s.pos] {
		case '"':
			s.pos++
			return s.data[start : s.pos-1], escaped
		case '\\':
			escaped = true
			if !s.escape() {
				return nil, false
			}
		default:
			s.fail(s.pos, fmt.Sprintf("control character 0x%02x inside a string: it must be escaped", s.data[s.pos]))
			return nil, false
		}
	}
}

// escape consumes an escape sequence that begins at the next byte.
func (s *Scanner) escape() bool {
	rest := s.data[s.pos:]
	if len(rest) < 2 {
		s.fail(len(s.data), "the text ends inside a string")
		return false
	}
	length := escapeLength(rest)
	if length == 0 {
		s.fail(s.pos, "unknown escape sequence inside a string")
		return false
	}
	s.pos += length
	return true
}

func (s *Scanner) literal(text string) bool {
	if s.err != nil {
		return false
	}
	if rest := s.data[s.pos:]; len(rest) < len(text) || string(rest[:len(text)]) != text {
		s.unexpected("a value")
		return false
	}
	s.pos += len(text)
	return true
}

// number consumes a number by JSON's grammar: no leading zero, plus sign or bare
// point.
func (s *Scanner) number() []byte {
	if s.err != nil {
		return nil
	}
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	valid := true
	if s.peek() == '0' {
		s.pos++
	} else {
		valid = s.digits()
	}
	if valid && s.peek() == '.' {
		s.pos++
		valid = s.digits()
	}
	if c := s.peek(); valid && (c == 'e' || c == 'E') {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		valid = s.digits()
	}
	if !valid {
		s.unexpected("a number")
		return nil
	}
	return s.data[start:s.pos]
}

func (s *Scanner) digits() bool {
	start := s.pos
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > start
}

func (s *Scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *Scanner) unexpected(wanted string) {
	switch {
	case s.err != nil:
	case s.pos == len(s.data):
		s.fail(s.pos, "the text ends where "+wanted+" is expected")
	default:
		s.fail(s.pos, fmt.Sprintf("unexpected character %q where %s is expected", s.data[s.pos], wanted))
	}
}

func (s *Scanner) fail(offset int, message string) {
	if s.err == nil {
		s.err = &SyntaxError{Offset: offset, Message: message}
	}
}
