package logindex

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// ID is an entry's place in the log: the millisecond in which it was stored, and
// its number in that.
type ID struct{ MS, Seq uint64 }

// ParseID undoes String.
func ParseID(text string) (ID, error) {
	ms, seq, _ := strings.Cut(text, "-")
	var id ID
	var err error
	if id.MS, err = strconv.ParseUint(ms, 10, 64); err == nil {
		id.Seq, err = strconv.ParseUint(seq, 10, 64)
	}
	if err != nil {
		return ID{}, fmt.Errorf("%q is no place in the log", text)
	}
	return id, nil
}

// String is the id as Redis writes it.
func (id ID) String() string {
	return strconv.FormatUint(id.MS, 10) + "-" + strconv.FormatUint(id.Seq, 10)
}

// Compare is negative where id comes before other.
func (id ID) Compare(other ID) int {
	return cmp.Or(cmp.Compare(id.MS, other.MS), cmp.Compare(id.Seq, other.Seq))
}
