package responses

import "strconv"

// place is where in a request something stands. It becomes text only in an error.
type place struct {
	// item is in `input`; one of inInput is all of that, one of inInstructions the other field.
	item int32
	// list is the member of the item that part stands in; empty: it is the item itself.
	list string
	part int32
}

const (
	inInput        = -1
	inInstructions = -2
)

func itemAt(index int) place { return place{item: int32(index)} } //nolint:gosec // a body of 2^31 items is larger than any bound

// String is in the client's terms, such as `input[2].content[0]`.
func (p place) String() string {
	switch p.item {
	case inInput:
		return inputField
	case inInstructions:
		return instructionsField
	}
	text := inputField + "[" + strconv.Itoa(int(p.item)) + "]"
	if p.list != "" {
		text += "." + p.list + "[" + strconv.Itoa(int(p.part)) + "]"
	}
	return text
}

// field names a member of what stands there.
func (p place) field(name string) string { return p.String() + "." + name }
