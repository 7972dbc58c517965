package notify

import (
	"maps"
	"slices"
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Memory is what judging needs of earlier observations. It is part of the board, so it outlives a
// leader.
type Memory struct {
	// Usable are how many tokens of each upstream could serve, every sampleEvery for sampleFor.
	Usable map[string][]Sample `json:"usable,omitempty"`
	// Counters are what gateways have counted since their starts, by counter and gateway.
	Counters map[string]map[string]uint64 `json:"counters,omitempty"`
	// Growths are when a counter of any gateway last grew, and by how much since it began to.
	Growths map[string]Growth `json:"growths,omitempty"`
}

// Sample is how many usable tokens a pool had.
type Sample struct {
	At     time.Time `json:"at"`
	Tokens uint32    `json:"tokens"`
}

// Growth is a time in which a counter grew again and again.
type Growth struct {
	Last time.Time `json:"last"`
	By   uint64    `json:"by"`
}

const (
	sampleEvery = 5 * time.Minute
	sampleFor   = time.Hour
	// minSamples is from how many on a pace is told from chance.
	minSamples = 4
	// drySoonWithin is how far ahead is looked.
	drySoonWithin = 4 * time.Hour
	// maxUpstreams bounds the pools that are remembered: those that come first by name.
	maxUpstreams = 100
	// growing is how long after its last step a counter counts as growing.
	growing = 10 * time.Minute
)

// What gateways count.
const (
	droppedCounter  = "log dropped"
	degradedCounter = "degraded ms"
)

// note takes an observation in.
func (m *Memory) note(seen Observation) {
	m.sample(seen)
	m.count(droppedCounter, seen, (*tokenstorev1.Replica).GetLogDropped)
	m.count(degradedCounter, seen, (*tokenstorev1.Replica).GetDegradedMs)
}

// sample keeps what the pools have; those that are gone are forgotten.
func (m *Memory) sample(seen Observation) {
	kept := map[string][]Sample{}
	for _, pool := range seen.Pools[:min(len(seen.Pools), maxUpstreams)] {
		samples := m.Usable[pool.GetUpstream()]
		for len(samples) > 0 && seen.At.Sub(samples[0].At) > sampleFor {
			samples = samples[1:]
		}
		if n := len(samples); n == 0 || seen.At.Sub(samples[n-1].At) >= sampleEvery {
			samples = append(slices.Clone(samples), Sample{seen.At, usableOf(pool)})
		}
		kept[pool.GetUpstream()] = samples
	}
	m.Usable = kept
}

// count takes in what gateways count of something. What was counted before anybody looked is no
// news; a gateway that is new begins at 0.
func (m *Memory) count(counter string, seen Observation, of func(*tokenstorev1.Replica) uint64) {
	before, first := m.Counters[counter], m.Counters[counter] == nil
	now, step := map[string]uint64{}, uint64(0)
	for _, replica := range seen.Replicas {
		now[replica.GetName()] = of(replica)
		if grown := of(replica); !first && grown > before[replica.GetName()] {
			step += grown - before[replica.GetName()]
		}
	}
	m.Counters = with(m.Counters, counter, now)
	growth := m.Growths[counter]
	switch {
	case step == 0 && growth.By > 0 && seen.At.Sub(growth.Last) >= growing:
		m.Growths = with(m.Growths, counter, Growth{})
	case step > 0:
		m.Growths = with(m.Growths, counter, Growth{seen.At, growth.By + step})
	}
}

// with is a copy of a map with one value more.
func with[V any](all map[string]V, name string, value V) map[string]V {
	more := maps.Clone(all)
	if more == nil {
		more = map[string]V{}
	}
	more[name] = value
	return more
}

// grown returns by how much a counter has grown, while it does.
func (m *Memory) grown(counter string, now time.Time) (by uint64, is bool) {
	growth := m.Growths[counter]
	return growth.By, growth.By > 0 && now.Sub(growth.Last) < growing
}

// drySoon tells whether the pool will have no usable token within four hours, at the pace of its
// last hour: the line of least squares through it.
func (m *Memory) drySoon(upstream string, now time.Time) bool {
	samples := m.Usable[upstream]
	if len(samples) < minSamples {
		return false
	}
	var sumX, sumY, sumXY, sumXX float64
	for _, each := range samples {
		x, y := each.At.Sub(now).Seconds(), float64(each.Tokens)
		sumX, sumY, sumXY, sumXX = sumX+x, sumY+y, sumXY+x*y, sumXX+x*x
	}
	n := float64(len(samples))
	slope := (n*sumXY - sumX*sumY) / (n*sumXX - sumX*sumX)
	return (sumY-slope*sumX)/n+slope*drySoonWithin.Seconds() <= 0
}
