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

// Cells that are known are added up to the same, whatever is told apart and however often.
func TestKnownCellsAddUpToTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cells := NewCells(0)
		name := func(of string) string { return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, of) }
		for range rapid.IntRange(0, 20).Draw(t, "cells") {
			sums := Sums{Requests: 1, Tokens: Tokens{Prompt: rapid.Uint64Range(0, 1000).Draw(t, "prompt")}, Partial: Cost{1, rapid.Uint64Range(0, maxCost).Draw(t, "cost")}}
			if err := cells.Put(name("who")+separator+name("upstream")+separator+name("model"), sums.text()); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			q := Question{From: now.Add(-day), To: now, Group: rapid.SliceOfNDistinct(rapid.SampledFrom([]Dimension{Token, Model, Upstream, ByDay}), 0, 4, rapid.ID).Draw(t, "group")}
			if rapid.Bool().Draw(t, "filtered") {
				q.Model = name("of model")
			}
			var rows [2][]Row
			for i, add := range []func(*Answer, Step, *Cells) error{(*Answer).Add, (*Answer).AddKnown} {
				a, err := Ask(q, now)
				if err != nil {
					t.Fatal(err)
				}
				for _, step := range a.Steps {
					if err := add(a, step, cells); err != nil {
						t.Fatal(err)
					}
				}
				rows[i], _ = a.Rows()
			}
			if diff := cmp.Diff(rows[0], rows[1]); diff != "" {
				t.Errorf("%v: %s", q.Group, diff)
			}
		}
	})
}
