package usage

import (
	"fmt"
	"testing"
)

// What it takes to add up the cells of a month of many tokens, and to find those with the most.
func BenchmarkAnswer(b *testing.B) {
	sums := Sums{Requests: 3, Tokens: Tokens{Prompt: 1000, Completion: 50}, Estimated: Cost{3, 250_000_000_000}}
	text := sums.text()
	for _, most := range []int{0, 100} {
		b.Run(fmt.Sprint("most=", most), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a, err := Ask(Question{From: at("2026-07-26T00:00:00Z"), To: at("2026-08-01T00:00:00Z"), Group: []Dimension{ByDay, Token}, Most: most}, now)
				if err != nil {
					b.Fatal(err)
				}
				for _, step := range a.Steps {
					cells := NewCells(10_000)
					for i := range 10_000 {
						if err := cells.Put(fmt.Sprintf("t%016d\nsimulated\ngpt-4o-mini", i), text); err != nil {
							b.Fatal(err)
						}
					}
					if err := a.Add(step, cells); err != nil {
						b.Fatal(err)
					}
				}
				a.Rows()
			}
		})
	}
}
