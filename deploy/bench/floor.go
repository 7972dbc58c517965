package main

import "fmt"

// floorConnections is the number of connections that the floor speaks of.
const floorConnections = 16

// demand is one thing that Carousel must reach.
type demand struct {
	what    string
	reached string
	met     bool
}

// floor compares Carousel with what is promised; it leaves out what this run did
// not measure.
func (r results) floor() []demand {
	var demands []demand
	for _, each := range []struct {
		stream bool
		share  float64
	}{{false, .8}, {true, .9}} {
		w := workload{stream: each.stream, connections: floorConnections}
		if len(r[key{w, carousel}]) == 0 || len(r[key{w, reverseProxy}]) == 0 {
			continue
		}
		f := r.figures(w, carousel)
		demands = append(demands, demand{
			fmt.Sprintf("%s: at least %.1f of ReverseProxy's requests/s", w.title(), each.share),
			fmt.Sprintf("%.2f", f.toReverseProxy.median), f.toReverseProxy.median >= each.share,
		}, demand{
			fmt.Sprintf("%s: fewer than %.1f round trips to the tokenstore per request", w.title(), mostRoundTrips),
			fmt.Sprintf("%.3f", f.roundTrips), f.roundTrips < mostRoundTrips,
		})
	}
	return demands
}

const mostRoundTrips = .2
