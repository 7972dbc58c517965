package main

import (
	"fmt"
	"slices"
	"strings"
)

// compared are the systems in the table at the report's head.
var compared = []string{nginx, reverseProxy, raw, carousel}

// goal is a row of that table: what is wanted of Carousel, with what the others reach
// beside it.
type goal struct {
	what string
	// figures are a system's, none where this run has not measured them.
	figures func(r results, system string) []float64
	wanted  []float64 // one for each of Carousel's figures
	atLeast bool      // wanted are the least, else the most
	// digits behind the point, and what stands between two figures.
	digits  int
	between string
}

var goals = []goal{
	{what: "not streamed, 16 connections, of nginx's requests/s", figures: shareOfNginx(atLoad), wanted: []float64{.6}, atLeast: true, digits: 2},
	{what: "not streamed, 64 connections, of nginx's requests/s", figures: shareOfNginx(crowded), wanted: []float64{.6}, atLeast: true, digits: 2},
	{what: "not streamed, 16 connections: CPU seconds per 1,000", figures: cpuPerThousand(atLoad), wanted: []float64{.07}, digits: 3},
	{what: "not streamed, one connection: added p50, µs", figures: addedMicroseconds(alone), wanted: []float64{180}},
	{what: "300 requests/s, open loop: added p50 / p99, ms", figures: addedTimes(people), wanted: []float64{.45, 1.5}, digits: 2, between: " / "},
	{what: "300 requests/s, open loop: CPU seconds per 1,000", figures: cpuPerThousand(people), wanted: []float64{.6}, digits: 2},
	{what: "streams of 50 events, 16 connections, of nginx's requests/s", figures: shareOfNginx(streamed), wanted: []float64{.92}, atLeast: true, digits: 2},
	{what: "streams of 50 events, 64 connections, of nginx's requests/s", figures: shareOfNginx(manyStreams), wanted: []float64{.9}, atLeast: true, digits: 2},
	{what: "streams of 50 events, 16 connections: µs of CPU per event", figures: cpuPerEvent(streamed), wanted: []float64{3.8}, digits: 1},
	{what: "500 slow streams (an event every 50 ms): added first byte p50 / p99, ms", figures: addedFirstBytes(slowStreams), wanted: []float64{1, 6}, digits: 1, between: " / "},
	{what: "500 slow streams: µs of CPU per event", figures: cpuPerEvent(slowStreams), wanted: []float64{40}},
	{what: "not streamed, 16 connections, tokens with a cap: CPU, of that without", figures: capsToNone(atLoad), wanted: []float64{1.3}, digits: 2},
	{what: "300 requests/s, open loop, tokens with a cap: CPU, of that without", figures: capsToNone(people), wanted: []float64{1.3}, digits: 2},
	{what: "memory at rest, MiB: gateway + tokenstore + Redis", figures: memoryAtRest, wanted: []float64{25, 20, 12}, between: " + "},
	{what: "memory after the load, of that at rest", figures: memoryAfterLoad, wanted: []float64{restShare}, digits: 2},
	{what: "CPU at rest, % of a core", figures: cpuAtRest, wanted: []float64{.5}, digits: 2},
	{what: "not streamed, 16 connections: round trips to the tokenstore per request", figures: roundTrips(atLoad), wanted: []float64{.2}, digits: 3},
	{what: "streams of 50 events, 16 connections: round trips to the tokenstore per request", figures: roundTrips(streamed), wanted: []float64{.2}, digits: 3},
}

// measuredOf answers figures of the systems that were measured under a workload, and where
// needed another one beside them.
func measuredOf(w workload, beside string, of func(figures) []float64) func(results, string) []float64 {
	return func(r results, system string) []float64 {
		if len(r.cells[key{w, system}]) == 0 || beside != "" && len(r.cells[key{w, beside}]) == 0 {
			return nil
		}
		return of(r.figures(w, system))
	}
}

func shareOfNginx(w workload) func(results, string) []float64 {
	return measuredOf(w, nginx, func(f figures) []float64 { return []float64{f.toNginx.median} })
}

func cpuPerThousand(w workload) func(results, string) []float64 {
	return measuredOf(w, "", func(f figures) []float64 { return []float64{f.cpu} })
}

func addedMicroseconds(w workload) func(results, string) []float64 {
	return measuredOf(w, direct, func(f figures) []float64 { return []float64{1000 * f.addedP50} })
}

func addedTimes(w workload) func(results, string) []float64 {
	return measuredOf(w, direct, func(f figures) []float64 { return []float64{f.addedP50, f.addedP99} })
}

func addedFirstBytes(w workload) func(results, string) []float64 {
	return measuredOf(w, direct, func(f figures) []float64 { return []float64{f.addedFirstByteP50, f.addedFirstByteP99} })
}

// cpuPerEvent is all that a system uses over its streams, in µs an event.
func cpuPerEvent(w workload) func(results, string) []float64 {
	return measuredOf(w, "", func(f figures) []float64 { return []float64{f.cpu * 1e6 / 1000 / float64(w.events())} })
}

// roundTrips are Carousel's alone.
func roundTrips(w workload) func(results, string) []float64 {
	ofCarousel := measuredOf(w, "", func(f figures) []float64 { return []float64{f.roundTrips} })
	return func(r results, system string) []float64 {
		if system != carousel {
			return nil
		}
		return ofCarousel(r, system)
	}
}

func memoryAtRest(r results, system string) []float64 {
	var sizes []float64
	for _, size := range r.atRest[system].memory {
		sizes = append(sizes, mebibytes(size))
	}
	return sizes
}

func memoryAfterLoad(r results, system string) []float64 {
	before, after := r.atRest[system].memory, r.afterLoad[system].memory
	if len(before) == 0 || len(after) == 0 {
		return nil
	}
	return []float64{float64(sum(after)) / float64(sum(before))}
}

func cpuAtRest(r results, system string) []float64 {
	s := r.atRest[system]
	if len(s.memory) == 0 {
		return nil
	}
	return []float64{100 * s.cpu}
}

// met tells whether each figure is as it is wanted.
func (g goal) met(reached []float64) bool {
	for i, figure := range reached {
		if g.atLeast && figure < g.wanted[i] || !g.atLeast && figure > g.wanted[i] {
			return false
		}
	}
	return true
}

// format writes figures as the row shows them.
func (g goal) format(figures []float64) string {
	texts := make([]string, len(figures))
	for i, figure := range figures {
		texts[i] = fmt.Sprintf("%.*f", g.digits, figure)
	}
	return strings.Join(texts, g.between)
}

// bound writes what is wanted.
func (g goal) bound() string {
	if g.atLeast {
		return "≥ " + g.format(g.wanted)
	}
	return "≤ " + g.format(g.wanted)
}

// reached answers the goals of which Carousel's figures were measured, and those that it
// missed.
func (r results) reached() (measured, missed []goal) {
	measured = slices.DeleteFunc(slices.Clone(goals), func(g goal) bool { return len(g.figures(r, carousel)) == 0 })
	for _, g := range measured {
		if !g.met(g.figures(r, carousel)) {
			missed = append(missed, g)
		}
	}
	return measured, missed
}

// missedGoals is a run that went well, with figures that do not do.
type missedGoals []goal

func (e missedGoals) Error() string {
	text := "missed:"
	for _, g := range e {
		text += fmt.Sprintf("\n  %s (wanted: %s)", g.what, g.bound())
	}
	return text
}
