package anthropic

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// place is where in a request something stands. It becomes text only in an error.
type place struct {
	list list
	at   int32
	// block is in a message's content, inner in the content of a tool's result; none: not
	// in one.
	block, inner int32
}

// list is a top-level array of a request.
type list uint8

const (
	messages list = iota
	system
	tools
)

const none = -1

var listNames = [...]string{messages: "messages", system: "system", tools: "tools"}

func in(list list, at int) place {
	return place{list: list, at: int32(at), block: none, inner: none} //nolint:gosec // a body of 2^31 elements is larger than any bound
}

// String is the vendor's notation, such as `messages.1.content.0`.
func (p place) String() string {
	text := listNames[p.list]
	if p.at != none {
		text += "." + strconv.Itoa(int(p.at))
	}
	for _, block := range [...]int32{p.block, p.inner} {
		if block != none {
			text += ".content." + strconv.Itoa(int(block))
		}
	}
	return text
}

// field names a member of what stands there.
func (p place) field(name string) string {
	if name == "" {
		return p.String()
	}
	return p.String() + "." + name
}

// next is the place of the next block.
func (p place) next() place {
	switch {
	case p.inner != none:
		p.inner++
	case p.block != none:
		p.block++
	default:
		p.at++
	}
	return p
}

// inside is the place of the first block of the content of what stands there.
func (p place) inside() place {
	switch {
	case p.at == none:
		p.at = 0
	case p.block == none:
		p.block = 0
	default:
		p.inner = 0
	}
	return p
}

// The vendor's own words, which clients know.
const (
	required  = "Field required"
	shouldBe  = "Input should be a valid "
	aString   = "string"
	anObject  = "dictionary"
	aList     = "list"
	aBoolean  = "boolean"
	aNumber   = "number"
	anInteger = "integer"
)

// invalid is the error for the field of that name.
func invalid(field, words string) error {
	return &chat.Error{Kind: chat.InvalidRequest, Param: field, Message: field + ": " + words}
}

// mismatch consumes a value of the wrong type. The fault of one that is no JSON at all is
// left to the scanner.
func (d *decoder) mismatch(field, wanted string) error {
	kind := d.s.Kind()
	d.s.Skip()
	if kind == rawjson.Invalid {
		return nil
	}
	return invalid(field, shouldBe+wanted+", not "+kind.String())
}
