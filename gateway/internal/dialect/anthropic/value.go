package anthropic

import (
	"math"
	"strconv"

	"carousel.internal/gateway/internal/rawjson"
)

// object consumes an object: member consumes each value.
func (d *decoder) object(at func() string, member func(key []byte) error) error {
	if d.s.Kind() != rawjson.Object {
		return d.mismatch(at(), anObject)
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		if err := member(d.s.Key()); err != nil {
			return err
		}
	}
	return nil
}

// array consumes an array: element consumes each value.
func (d *decoder) array(at func() string, element func(i int) error) error {
	if d.s.Kind() != rawjson.Array {
		return d.mismatch(at(), aList)
	}
	i := 0
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		if err := element(i); err != nil {
			return err
		}
		i++
	}
	return nil
}

// text consumes a string.
func (d *decoder) text(at place, field string) (string, error) {
	if d.s.Kind() != rawjson.String {
		return "", d.mismatch(at.field(field), aString)
	}
	return d.s.Text(), nil
}

// optional consumes a string or null.
func (d *decoder) optional(at place, field string) (string, error) {
	if d.null() {
		return "", nil
	}
	return d.text(at, field)
}

// null consumes a null, if one comes next.
func (d *decoder) null() bool {
	if d.s.Kind() != rawjson.Null {
		return false
	}
	d.s.Skip()
	return true
}

// word consumes a top-level string or null.
func (d *decoder) word(field string) (string, error) {
	switch {
	case d.null():
		return "", nil
	case d.s.Kind() != rawjson.String:
		return "", d.mismatch(field, aString)
	}
	return d.s.Text(), nil
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

// flag is boolean for a member whose place is only made for an error.
func (d *decoder) flag(at place, field string) (*bool, error) {
	if d.s.Kind() == rawjson.Bool {
		value := d.s.Bool()
		return &value, nil
	}
	return d.boolean(at.field(field))
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
		return nil, invalid(field, shouldBe+aNumber)
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
		return nil, invalid(field, shouldBe+anInteger+", not a fraction")
	}
	whole := int(max(min(*value, math.MaxInt32), math.MinInt32))
	return &whole, nil
}

// filled consumes a value and tells whether it says anything: null, an empty list and an
// empty object do not.
func (d *decoder) filled() bool {
	switch string(d.s.Skip()) {
	case "null", "[]", "{}", "false", `""`:
		return false
	}
	return true
}
