package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
)

// manySlots is the cap of the tokens that have one: what is in use leaves room, as it does in a
// pool that is large enough.
const manySlots = 100

// cappedWorkloads are what shows the cost of a cap.
var cappedWorkloads = []workload{atLoad, streamed, people}

// withCaps is Carousel with a cap on each token.
func (b *bench) withCaps(ctx context.Context) (*system, error) {
	s, err := b.pair(ctx, &pair{bench: b, folder: filepath.Join(b.folder, "capped"), slots: manySlots})
	if err == nil {
		s.only = cappedWorkloads
	}
	return s, err
}

// capsToNone is how the CPU time of tokens with a cap compares with that of tokens without.
func capsToNone(w workload) func(results, string) []float64 {
	ofCaps := measuredOf(w, carousel, func(f figures) []float64 { return []float64{f.cpuToCarousel.median} })
	return func(r results, system string) []float64 {
		if system != carousel {
			return nil
		}
		return ofCaps(r, capped)
	}
}

// renderCaps compares tokens with a cap with tokens without.
func renderCaps(to *bytes.Buffer, measured results) {
	title := fmt.Sprintf("\n## What a cap costs\n\n%d tokens, without a cap and with one of %d requests at a time.\n\n"+
		"| | | requests/s | of those without | p50, ms | p99, ms | CPU s per 1,000 | of those without | round trips per request |\n"+
		"|---|---|---:|---:|---:|---:|---:|---:|---:|\n", tokens, manySlots)
	for _, w := range cappedWorkloads {
		if len(measured.cells[key{w, capped}]) == 0 {
			continue
		}
		to.WriteString(title)
		title = ""
		for _, each := range []struct{ system, title string }{{carousel, "without a cap"}, {capped, "with a cap"}} {
			if len(measured.cells[key{w, each.system}]) == 0 {
				continue
			}
			f := measured.figures(w, each.system)
			fmt.Fprintf(to, "| %s | %s | %.0f | %s | %.2f | %.2f | %.3f | %s | %.3f |\n", w.title(), each.title,
				f.rate.median, ratio(f.toCarousel), f.p50, f.p99, f.cpu, ratio(f.cpuToCarousel), f.roundTrips)
		}
	}
}
