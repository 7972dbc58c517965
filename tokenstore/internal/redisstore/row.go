package redisstore

import (
	"fmt"
	"strconv"
	"strings"
)

// row reads a script's flat reply; its first misfit is kept in err.
type row struct {
	values []any
	err    error
}

func (r *row) at(i int) any {
	if i < len(r.values) {
		return r.values[i]
	}
	r.misfit(i)
	return nil
}

func (r *row) text(i int) string {
	text, ok := r.at(i).(string)
	if !ok {
		r.misfit(i)
	}
	return text
}

func (r *row) number(i int) int64 {
	switch value := r.at(i).(type) {
	case int64:
		return value
	case string:
		number, err := strconv.ParseInt(strings.TrimSuffix(value, ".0"), 10, 64)
		if err != nil {
			r.misfit(i)
		}
		return number
	default:
		r.misfit(i)
		return 0
	}
}

// count is a number that can't be negative.
func (r *row) count(i int) uint64 {
	number := r.number(i)
	if number < 0 {
		r.misfit(i)
		return 0
	}
	return uint64(number)
}

func (r *row) misfit(i int) {
	if r.err == nil {
		r.err = fmt.Errorf("value %d of the %d in a script's reply is not of the kind its contract says", i, len(r.values))
	}
}
