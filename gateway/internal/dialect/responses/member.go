package responses

import (
	"bytes"

	"carousel.internal/gateway/internal/rawjson"
)

// member is the value of an object's member, no copy of it; nil: there is none, or it is null.
// The last of equal names counts.
func member(object []byte, name string) (value []byte) {
	value, _ = twoMembers(object, name, "")
	return value
}

// twoMembers is member for two names at once: an object can be large.
func twoMembers(object []byte, one, two string) (first, second []byte) {
	s := rawjson.Over(object)
	if s.Kind() != rawjson.Object {
		return nil, nil
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch string(s.Key()) {
		case one:
			first = s.Skip()
		case two:
			second = s.Skip()
		default:
			s.Skip()
		}
	}
	if s.Failed() {
		return nil, nil
	}
	return orNil(first), orNil(second)
}

// orNil is a value, or nil for null.
func orNil(value []byte) []byte {
	if string(value) == "null" {
		return nil
	}
	return value
}

// textOf is the text of an object's member; empty: it has none that is a string.
func textOf(object []byte, name string) string { return asText(member(object, name)) }

// asText is the text of a value; empty: it is no string.
func asText(value []byte) string {
	if len(value) < len(`""`) || value[0] != '"' {
		return ""
	}
	inside, _ := rawjson.Inside(value[1 : len(value)-1])
	return inside
}

// change is a member of an object and the value, as JSON, that it is to have; an empty one is
// that there is none.
type change struct{ name, value string }

// changed is an object with other values of some members; what is no object is as it was.
func changed(object []byte, changes ...change) []byte {
	names := make([]string, len(changes))
	for i, each := range changes {
		names[i] = each.name
	}
	members := rawjson.MembersOf(object, names...)
	for _, each := range changes {
		members.Set(each.name, each.value)
	}
	return members.Object()
}

// appendElements appends the elements of an array to those of another, which is not closed yet.
func appendElements(dst, array []byte) []byte {
	inside := bytes.TrimSpace(array)
	if len(inside) < len("[]") || inside[0] != '[' {
		return dst
	}
	if inside = bytes.TrimSpace(inside[1 : len(inside)-1]); len(inside) == 0 {
		return dst
	}
	if len(dst) > len("[") {
		dst = append(dst, ',')
	}
	return append(dst, inside...)
}
