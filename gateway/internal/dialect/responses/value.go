package responses

import (
	"math"
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// What values are called in errors.
const (
	aString   = "a string"
	anObject  = "an object"
	anArray   = "an array"
	aBoolean  = "a boolean"
	aNumber   = "a number"
	anInteger = "a whole number"
)

// longestWord bounds what an error quotes of a client's own words, in bytes.
const longestWord = 64

// invalid is the error for the field of that name.
func invalid(field, format string, args ...any) *chat.Error {
	err := chat.Errorf(chat.InvalidRequest, "`"+field+"` "+format, args...)
	err.Param = field
	return err
}

// mismatch consumes a value of the wrong type. The fault of one that is no JSON at all is
// left to the scanner.
func (d *decoder) mismatch(field, wanted string) error {
	kind := d.s.Kind()
	d.s.Skip()
	if kind == rawjson.Invalid {
		return nil
	}
	return invalid(field, "must be %s, but is %s", wanted, kind)
}

// null consumes a null, if one comes next: it stands for a field that is not there.
func (d *decoder) null() bool {
	if d.s.Kind() != rawjson.Null {
		return false
	}
	d.s.Skip()
	return true
}

// object consumes an object or null: member consumes each value.
func (d *decoder) object(field string, member func(key []byte) error) error {
	switch d.s.Kind() {
	case rawjson.Object:
		return d.members(member)
	case rawjson.Null:
		d.s.Skip()
		return nil
	default:
		return d.mismatch(field, anObject)
	}
}

// members consumes the object that must come next.
func (d *decoder) members(member func(key []byte) error) error {
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		if err := member(d.s.Key()); err != nil {
			return err
		}
	}
	return nil
}

// text consumes a string or null.
func (d *decoder) text(field string) (string, error) {
	switch d.s.Kind() {
	case rawjson.String:
		return d.s.Text(), nil
	case rawjson.Null:
		d.s.Skip()
		return "", nil
	default:
		return "", d.mismatch(field, aString)
	}
}

// textAt is text for a member whose place becomes a text only in an error.
func (d *decoder) textAt(at place, name string) (string, error) {
	if d.s.Kind() == rawjson.String {
		return d.s.Text(), nil
	}
	return d.text(at.field(name))
}

// boolean consumes a boolean or null; nil for that.
func (d *decoder) boolean(field string) (*bool, error) {
	switch {
	case d.null():
		return nil, nil //nolint:nilnil // nothing is said, and nothing is wrong
	case d.s.Kind() != rawjson.Bool:
		return nil, d.mismatch(field, aBoolean)
	}
	value := d.s.Bool()
	return &value, nil
}

// number consumes a number or null; nil for that.
func (d *decoder) number(field string) (*float64, error) {
	switch {
	case d.null():
		return nil, nil //nolint:nilnil // as above
	case d.s.Kind() != rawjson.Number:
		return nil, d.mismatch(field, aNumber)
	}
	value, err := strconv.ParseFloat(string(d.s.Skip()), 64)
	if err != nil && !d.s.Failed() {
		return nil, invalid(field, "must be a number that a computer can hold")
	}
	return &value, nil
}

// integer consumes a whole number or null; nil for that.
func (d *decoder) integer(field string) (*int, error) {
	value, err := d.number(field)
	switch {
	case err != nil || value == nil:
		return nil, err
	case *value != math.Trunc(*value):
		return nil, invalid(field, "must be %s, not a fraction", anInteger)
	}
	whole := int(max(min(*value, math.MaxInt32), math.MinInt32))
	return &whole, nil
}

// word consumes a string; anything else is passed over and empty.
func (d *decoder) word() string {
	if d.s.Kind() != rawjson.String {
		d.s.Skip()
		return ""
	}
	return d.s.Text()
}

// filled consumes a value and tells whether it says anything: null, an empty list and an
// empty object do not.
func (d *decoder) filled() bool { return !saysNothing(string(d.s.Skip())) }

func saysNothing(value string) bool {
	switch value {
	case "null", "[]", "{}", "false", `""`:
		return true
	}
	return false
}
