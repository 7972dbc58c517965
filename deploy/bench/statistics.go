package main

import (
	"slices"
	"time"
)

// spread is a figure over the rounds.
type spread struct{ low, median, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return spread{sorted[0], median, sorted[len(sorted)-1]}
}

// figures are a system's under one workload; all are medians over the rounds, and
// what compares two systems compares them within each round.
type figures struct {
	rate                      spread // requests per second
	toReverseProxy, toNginx   spread // of the rate
	toBefore                  spread // of the rate
	cpuToBefore, p50ToBefore  spread
	toCarousel, cpuToCarousel spread // beside Carousel, asked by the admin for tokens without a cap
	p50, p99                  float64
	addedP50, addedP99        float64 // milliseconds, over direct
	// of the first byte, as these
	addedFirstByteP50, addedFirstByteP99 float64
	cpu                                  float64 // seconds per 1,000 requests
	cpuByPart                            []float64
	memory                               float64 // MiB
	memoryByPart                         []float64
	roundTrips                           float64 // per request
	others                               float64 // share of the machine
}

func (r results) figures(w workload, name string) figures {
	cells := r.cells[key{w, name}]
	over := func(value func(cell) float64) spread {
		values := make([]float64, len(cells))
		for i, c := range cells {
			values[i] = value(c)
		}
		return spreadOf(values)
	}
	// versus joins each cell with the other system's of the same round.
	versus := func(other string, value func(mine, its cell) float64) spread {
		var values []float64
		for i, its := range r.cells[key{w, other}] {
			if i < len(cells) {
				values = append(values, value(cells[i], its))
			}
		}
		return spreadOf(values)
	}
	rates := func(mine, its cell) float64 { return mine.rate / its.rate }
	cpus := func(mine, its cell) float64 { return sum(mine.cpu) / sum(its.cpu) }
	added := func(of func(cell) time.Duration) float64 {
		return versus(direct, func(mine, its cell) float64 { return milliseconds(of(mine) - of(its)) }).median
	}
	f := figures{
		rate:              over(func(c cell) float64 { return c.rate }),
		toReverseProxy:    versus(reverseProxy, rates),
		toNginx:           versus(nginx, rates),
		toBefore:          versus(before, rates),
		cpuToBefore:       versus(before, cpus),
		p50ToBefore:       versus(before, func(mine, its cell) float64 { return float64(mine.p50) / float64(its.p50) }),
		toCarousel:        versus(carousel, rates),
		cpuToCarousel:     versus(carousel, cpus),
		p50:               over(func(c cell) float64 { return milliseconds(c.p50) }).median,
		p99:               over(func(c cell) float64 { return milliseconds(c.p99) }).median,
		addedP50:          added(func(c cell) time.Duration { return c.p50 }),
		addedP99:          added(func(c cell) time.Duration { return c.p99 }),
		addedFirstByteP50: added(func(c cell) time.Duration { return c.firstByteP50 }),
		addedFirstByteP99: added(func(c cell) time.Duration { return c.firstByteP99 }),
		cpu:               over(func(c cell) float64 { return sum(c.cpu) }).median,
		memory:            over(func(c cell) float64 { return mebibytes(sum(c.memory)) }).median,
		roundTrips:        over(func(c cell) float64 { return c.roundTrips }).median,
		others:            over(func(c cell) float64 { return c.others }).median,
	}
	if len(cells) > 0 {
		for part := range cells[0].cpu {
			f.cpuByPart = append(f.cpuByPart, over(func(c cell) float64 { return c.cpu[part] }).median)
			f.memoryByPart = append(f.memoryByPart, over(func(c cell) float64 { return mebibytes(c.memory[part]) }).median)
		}
	}
	return f
}

func sum[N int | float64 | time.Duration](values []N) N {
	var total N
	for _, value := range values {
		total += value
	}
	return total
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mebibytes(bytes int) float64 { return float64(bytes) / (1 << 20) }
