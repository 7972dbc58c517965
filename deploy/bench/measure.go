package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// plan is how a run is divided.
type plan struct {
	rounds    int
	warmUp    time.Duration // of each cell, not measured
	window    time.Duration // of each cell that is a closed loop
	workloads []workload
	// rest is how long nobody is asked before the load; after it a few times as long, until
	// memory is given back.
	rest time.Duration
}

// cell is what was measured of one system under one workload in one round.
type cell struct {
	rate     float64 // requests per second
	p50, p99 time.Duration
	// of the first byte
	firstByteP50, firstByteP99 time.Duration
	cpu                        []float64 // seconds per 1,000 requests, by part
	memory                     []int     // bytes, by part
	roundTrips                 float64   // to the tokenstore, per request
	// others is the share of the machine that went to programs outside the
	// benchmark.
	others float64
}

// key names the cells of all rounds.
type key struct {
	workload workload
	system   string
}

// results are all that was measured.
type results struct {
	cells map[key][]cell // by round
	// The systems without load, by name.
	atRest, afterLoad map[string]standing
}

// measure runs the plan; told of each cell.
func (b *bench) measure(ctx context.Context, p plan, tell func(round int, k key, c cell)) (results, error) {
	measured := results{cells: map[key][]cell{}}
	var err error
	if measured.atRest, err = b.atRest(ctx, p.rest); err != nil {
		return measured, err
	}
	for round := range p.rounds {
		for w, each := range p.workloads {
			for i := range b.systems {
				system := b.systems[(i+round+w)%len(b.systems)]
				if !system.takes(each) {
					continue
				}
				k := key{each, system.name}
				c, err := b.cell(ctx, p, each, system)
				if err != nil {
					return measured, fmt.Errorf("%s, %s: %w", system.name, each, err)
				}
				measured.cells[k] = append(measured.cells[k], c)
				tell(round, k, c)
			}
		}
	}
	measured.afterLoad, err = b.afterLoad(ctx, measured.atRest, afterFactor*p.rest)
	return measured, err
}

func (b *bench) cell(ctx context.Context, p plan, w workload, s *system) (cell, error) {
	load, err := newLoad(ctx, w, s.addr, s.key)
	if err != nil {
		return cell{}, err
	}
	defer load.close()
	if w.lead() == 0 {
		if err := load.run(ctx, p.warmUp).problem(); err != nil {
			return cell{}, err
		}
	}
	before, err := b.snapshot(ctx, s)
	if err != nil {
		return cell{}, err
	}
	took := load.run(ctx, w.window(p.window))
	memory, err := s.memory()
	if err := errors.Join(took.problem(), err, ctx.Err()); err != nil {
		return cell{}, err
	}
	after, err := b.snapshot(ctx, s)
	if err != nil {
		return cell{}, err
	}
	requests := float64(took.answers)
	c := cell{
		rate: took.rate(), p50: quantile(took.totals, .5), p99: quantile(took.totals, .99),
		firstByteP50: quantile(took.firstBytes, .5), firstByteP99: quantile(took.firstBytes, .99),
		memory: memory, roundTrips: (after.roundTrips - before.roundTrips) / requests, others: after.others(before),
	}
	for i := range after.parts {
		c.cpu = append(c.cpu, (after.parts[i]-before.parts[i]).Seconds()/requests*1000)
	}
	return c, nil
}

// snapshot is what had been used at a quiet moment.
type snapshot struct {
	parts                      []time.Duration
	roundTrips                 float64
	machineBusy, machine, ours time.Duration
}

func (b *bench) snapshot(ctx context.Context, s *system) (snapshot, error) {
	var now snapshot
	if s.settle != nil {
		if err := s.settle(ctx); err != nil {
			return now, err
		}
	}
	var err error
	if s.roundTrips != nil {
		if now.roundTrips, err = s.roundTrips(ctx); err != nil {
			return now, err
		}
	}
	if now.parts, err = s.usage(); err != nil {
		return now, err
	}
	// The simulator's and the load generator's own, which has the programs as its
	// children.
	if now.ours, err = cpuTime(os.Getpid()); err != nil {
		return now, err
	}
	now.machineBusy, now.machine, err = machineTime()
	return now, err
}

// others is the share of the machine that others had since then.
func (s snapshot) others(then snapshot) float64 {
	theirs := (s.machineBusy - then.machineBusy) - (s.ours - then.ours)
	return max(0, theirs.Seconds()/(s.machine-then.machine).Seconds())
}
