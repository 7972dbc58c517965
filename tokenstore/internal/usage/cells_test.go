package usage

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// addStored takes in one cell of a step.
func (a *Answer) addStored(step Step, field, text string) error {
	cells := NewCells(1)
	if err := cells.Put(field, text); err != nil {
		return err
	}
	return a.Add(step, cells)
}

// Whatever is stored is the same when it is packed.
func TestCellsKeepWhatIsStored(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cells := NewCells(0)
		var want []Sums
		for range rapid.IntRange(0, 5).Draw(t, "cells") {
			var sums Sums
			for _, n := range sums.numbers() {
				*n = rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(1, 1<<53)).Draw(t, "number")
			}
			if err := cells.Put("k\nu\nm", sums.text()); err != nil {
				t.Fatal(err)
			}
			want = append(want, sums)
		}
		var got []Sums
		rest := cells.sums
		for range cells.Len() {
			var sums Sums
			rest = sums.unpack(rest)
			got = append(got, sums)
		}
		if diff := cmp.Diff(want, got); diff != "" || len(rest) > 0 {
			t.Errorf("%d bytes are left, %s", len(rest), diff)
		}
	})
}
