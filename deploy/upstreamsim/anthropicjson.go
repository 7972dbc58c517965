package upstreamsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// kind is the kind of a JSON value.
type kind byte

const (
	nullKind kind = iota
	boolKind
	numberKind
	stringKind
	listKind
	objectKind
)

// maxDepth bounds how deep a request's JSON may nest.
const maxDepth = 200

// node is a value of a request's JSON, with its bytes as they came. A nil node is
// one that is not there.
type node struct {
	raw     []byte
	kind    kind
	text    string // of a string, or the digits of a number
	items   []*node
	members []member
}

type member struct {
	name  string
	value *node
}

// get is an object's member; null counts as absent.
func (n *node) get(name string) *node {
	if n == nil {
		return nil
	}
	for at := len(n.members) - 1; at >= 0; at-- {
		if n.members[at].name == name {
			if value := n.members[at].value; value.kind != nullKind {
				return value
			}
			return nil
		}
	}
	return nil
}

// string is the text of a string, else nothing.
func (n *node) string() string {
	if n == nil || n.kind != stringKind {
		return ""
	}
	return n.text
}

func (n *node) isTrue() bool { return n != nil && n.kind == boolKind && string(n.raw) == "true" }

// list are the items of a list, else none.
func (n *node) list() []*node {
	if n == nil {
		return nil
	}
	return n.items
}

// integer is the value of a whole number, else 0.
func (n *node) integer() int {
	if n == nil || n.kind != numberKind {
		return 0
	}
	value, err := json.Number(n.text).Int64()
	if err != nil {
		return 0
	}
	return int(value)
}

func (n *node) float() float64 {
	if n == nil || n.kind != numberKind {
		return 0
	}
	value, _ := json.Number(n.text).Float64()
	return value
}

// hash writes the value without its spaces and without what the cache leaves out.
func (n *node) hash(to hash.Hash) {
	switch n.kind {
	case listKind:
		_, _ = io.WriteString(to, "[")
		for _, item := range n.items {
			item.hash(to)
			_, _ = io.WriteString(to, ",")
		}
		_, _ = io.WriteString(to, "]")
	case objectKind:
		_, _ = io.WriteString(to, "{")
		for _, member := range n.members {
			if member.name == "cache_control" {
				continue
			}
			_, _ = io.WriteString(to, quoted(member.name)+":")
			member.value.hash(to)
			_, _ = io.WriteString(to, ",")
		}
		_, _ = io.WriteString(to, "}")
	case stringKind:
		_, _ = io.WriteString(to, quoted(n.text))
	default:
		_, _ = to.Write(n.raw)
	}
}

// parseJSON reads one value as strictly as the vendor does: UTF-8, no lone
// surrogates, nothing after it. The bytes must not change while the node is used.
func parseJSON(body []byte) (*node, error) {
	if !utf8.Valid(body) {
		return nil, errors.New("invalid utf-8")
	}
	if at := loneSurrogate(body); at >= 0 {
		return nil, fmt.Errorf("no low surrogate in string: line 1 column %d (char %d)", at+1, at)
	}
	p := jsonParser{body: body, decoder: json.NewDecoder(bytes.NewReader(body))}
	p.decoder.UseNumber()
	value, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := p.decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("unexpected text after the value")
	}
	return value, nil
}

type jsonParser struct {
	body    []byte
	decoder *json.Decoder
}

func (p *jsonParser) value(depth int) (*node, error) {
	token, err := p.decoder.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, errors.New("nested too deep")
	}
	end := p.decoder.InputOffset()
	switch token := token.(type) {
	case nil:
		return &node{kind: nullKind, raw: []byte("null")}, nil
	case bool:
		return &node{kind: boolKind, raw: fmt.Append(nil, token)}, nil
	case json.Number:
		return &node{kind: numberKind, raw: p.body[end-int64(len(token)) : end], text: string(token)}, nil
	case string:
		return &node{kind: stringKind, text: token}, nil
	case json.Delim:
		begin := end - 1
		n := &node{kind: listKind}
		if token == '{' {
			n.kind = objectKind
		}
		for p.decoder.More() {
			if err := p.element(n, depth); err != nil {
				return nil, err
			}
		}
		if _, err := p.decoder.Token(); err != nil {
			return nil, err
		}
		n.raw = p.body[begin:p.decoder.InputOffset()]
		return n, nil
	default:
		return nil, fmt.Errorf("unexpected %v", token)
	}
}

// element adds the next item of a list or member of an object.
func (p *jsonParser) element(n *node, depth int) error {
	name := ""
	if n.kind == objectKind {
		token, err := p.decoder.Token()
		if err != nil {
			return err
		}
		name, _ = token.(string) // the decoder takes nothing else as a key
	}
	value, err := p.value(depth + 1)
	if err != nil {
		return err
	}
	if n.kind == objectKind {
		n.members = append(n.members, member{name, value})
	} else {
		n.items = append(n.items, value)
	}
	return nil
}

// loneSurrogate is where an escape stands that is half of a pair, or -1.
func loneSurrogate(body []byte) int {
	for at := 0; ; {
		next := bytes.IndexByte(body[at:], '\\')
		if next < 0 {
			return -1
		}
		at += next
		unit, isUnit := escapedUnit(body[at:])
		if !isUnit || !utf16.IsSurrogate(unit) {
			at += min(2, len(body)-at) // past what is escaped, which may be a backslash
			continue
		}
		second, isUnit := escapedUnit(body[min(at+unitLength, len(body)):])
		if !isUnit || utf16.DecodeRune(unit, second) == utf8.RuneError {
			return at
		}
		at += 2 * unitLength
	}
}

const unitLength = len(`\u0000`)

// escapedUnit reads the escape that the text begins with.
func escapedUnit(text []byte) (rune, bool) {
	if len(text) < unitLength || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(text[2:unitLength]), 16, 16)
	return rune(unit), err == nil
}
