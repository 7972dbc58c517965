package logindex

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// ID is an entry's place in the log: the millisecond in which its block was stored, the
// block's number in that, and the entry's number in the block, from 0.
type ID struct {
	MS, Seq uint64
	N       uint16
}

// ParseID undoes String.
func ParseID(text string) (ID, error) {
	ms, seq, _ := strings.Cut(text, "-")
	seq, n, inBlock := strings.Cut(seq, "-")
	id := ID{}
	var number uint64
	var err error
	if id.MS, err = strconv.ParseUint(ms, 10, 64); err == nil {
		id.Seq, err = strconv.ParseUint(seq, 10, 64)
	}
	if err == nil && inBlock {
		number, err = strconv.ParseUint(n, 10, 16)
	}
	if err != nil {
		return ID{}, fmt.Errorf("%q is no place in the log", text)
	}
	id.N = uint16(number)
	return id, nil
}

// String is the block's id as Redis writes it, with the entry's number behind it where that is
// not 0.
func (id ID) String() string {
	text := strconv.FormatUint(id.MS, 10) + "-" + strconv.FormatUint(id.Seq, 10)
	if id.N > 0 {
		text += "-" + strconv.FormatUint(uint64(id.N), 10)
	}
	return text
}

// Block is the place of the first entry of the same block.
func (id ID) Block() ID { return ID{MS: id.MS, Seq: id.Seq} }

// Compare is negative where id comes before other.
func (id ID) Compare(other ID) int {
	return cmp.Or(cmp.Compare(id.MS, other.MS), cmp.Compare(id.Seq, other.Seq), cmp.Compare(id.N, other.N))
}
