package usage

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// Cells are all cells of a step, in little memory: some 100 bytes each.
type Cells struct {
	names []cell
	// sums are those of the names, in their order: of each which of its numbers are not 0, as the
	// bits of a varint, and these numbers as varints.
	sums []byte
}

// NewCells makes room for so many cells.
func NewCells(size int) *Cells {
	const usual = 16 // bytes of sums
	return &Cells{names: make([]cell, 0, size), sums: make([]byte, 0, size*usual)}
}

// Len is how many cells there are.
func (c *Cells) Len() int { return len(c.names) }

// Put takes in a cell, as it is stored.
func (c *Cells) Put(field, text string) error {
	name, err := readCell(field)
	if err != nil {
		return err
	}
	var sums Sums
	if err := sums.parse(text); err != nil {
		return fmt.Errorf("cell %q: %w", field, err)
	}
	c.names = append(c.names, name)
	c.sums = sums.pack(c.sums)
	return nil
}

// numbers is how many numbers there are in sums.
const numbers = 15

// numbers are all, in the order in which they are packed.
func (s *Sums) numbers() [numbers]*uint64 {
	return [...]*uint64{
		&s.Requests, &s.Failures, &s.Prompt, &s.Completion, &s.CacheRead, &s.CacheWrite, &s.CacheWriteHour, &s.Reasoning, &s.Unpriced,
		&s.Reported.Requests, &s.Reported.Pico, &s.Estimated.Requests, &s.Estimated.Pico, &s.Partial.Requests, &s.Partial.Pico,
	}
}

// pack adds the sums to packed ones.
func (s *Sums) pack(packed []byte) []byte {
	var set uint64
	all := s.numbers()
	for i, n := range all {
		if *n != 0 {
			set |= 1 << i
		}
	}
	packed = binary.AppendUvarint(packed, set)
	for ; set != 0; set &= set - 1 {
		packed = binary.AppendUvarint(packed, *all[bits.TrailingZeros64(set)])
	}
	return packed
}

// unpack reads the first of packed sums, and returns the others.
func (s *Sums) unpack(packed []byte) []byte {
	*s = Sums{}
	all := s.numbers()
	set, size := binary.Uvarint(packed)
	packed = packed[size:]
	for ; set != 0; set &= set - 1 {
		*all[bits.TrailingZeros64(set)], size = binary.Uvarint(packed)
		packed = packed[size:]
	}
	return packed
}
