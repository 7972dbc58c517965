package usage

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
)

// Cells are all cells of a step, in little memory: some 100 bytes each, and as much for each of
// those that were added up. Once they are put in they can be used concurrently.
type Cells struct {
	names []cell
	// sums are those of the names, in their order: of each which of its numbers are not 0, as the
	// bits of a varint, and these numbers as varints.
	sums []byte

	mu sync.Mutex
	// merged are those of which some names are not told apart, as they were asked for, and added is
	// how many cells these have.
	merged map[apart]*Cells
	added  atomic.Int64
}

// NewCells makes room for so many cells.
func NewCells(size int) *Cells {
	const usual = 16 // bytes of sums
	return &Cells{names: make([]cell, 0, size), sums: make([]byte, 0, size*usual)}
}

// Len is how many cells there are.
func (c *Cells) Len() int { return len(c.names) }

// Added is how many others are kept that were added up.
func (c *Cells) Added() int { return int(c.added.Load()) }

// DropAdded forgets those that were added up, until they are asked for again.
func (c *Cells) DropAdded() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.merged = nil
	c.added.Store(0)
}

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

// by returns the cells without the names that are not told apart, of which each is there once. They
// are added up when they are first asked for.
func (c *Cells) by(p apart) *Cells {
	if p == (apart{true, true, true}) {
		return c
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.merged[p] == nil {
		if c.merged == nil {
			c.merged = map[apart]*Cells{}
		}
		c.merged[p] = c.merge(p)
		c.added.Add(int64(c.merged[p].Len()))
	}
	return c.merged[p]
}

func (c *Cells) merge(p apart) *Cells {
	places := map[cell]int{}
	var all []Sums
	var sums Sums
	merged := NewCells(0)
	rest := c.sums
	for _, whole := range c.names {
		rest = sums.unpack(rest)
		name := p.of(whole)
		at, known := places[name]
		if !known {
			at = len(all)
			places[name], all, merged.names = at, append(all, Sums{}), append(merged.names, name)
		}
		all[at].Add(&sums)
	}
	for i := range all {
		merged.sums = all[i].pack(merged.sums)
	}
	return merged
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
