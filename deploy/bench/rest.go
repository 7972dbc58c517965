package main

import (
	"context"
	"time"
)

const (
	// afterFactor is how much longer than the rest before the load the wait after it is, at
	// most.
	afterFactor = 3
	// restShare is what memory shall come back to after the load, of what it was at rest.
	restShare = 1.5
	// restPoll is how often memory is looked at while it is waited for.
	restPoll = time.Second
)

// standing is a system without load.
type standing struct {
	memory []int   // bytes, by part
	cpu    float64 // share of a core
}

// atRest looks at all systems, by name, for a time in which nobody asks them. CPU time counts
// from its half on: what a start sets in motion is over by then.
func (b *bench) atRest(ctx context.Context, period time.Duration) (map[string]standing, error) {
	if err := pause(ctx, period/2); err != nil {
		return nil, err
	}
	began := time.Now()
	before, err := b.allUsage()
	if err != nil {
		return nil, err
	}
	if err := pause(ctx, period/2); err != nil {
		return nil, err
	}
	after, err := b.allUsage()
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	found, err := b.allMemory()
	for name, s := range found {
		s.cpu = (after[name] - before[name]).Seconds() / took.Seconds()
		found[name] = s
	}
	return found, err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// afterLoad looks at all systems once Carousel has given memory back, or at most a time
// later.
func (b *bench) afterLoad(ctx context.Context, atRest map[string]standing, most time.Duration) (map[string]standing, error) {
	over := time.After(most)
	ticker := time.NewTicker(restPoll)
	defer ticker.Stop()
	for {
		found, err := b.allMemory()
		if err != nil || givenBack(atRest[carousel], found[carousel]) {
			return found, err
		}
		select {
		case <-ticker.C:
		case <-over:
			return found, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// givenBack tells whether a system holds little more than it did at rest.
func givenBack(atRest, now standing) bool {
	return float64(sum(now.memory)) <= restShare*float64(sum(atRest.memory))
}

func (b *bench) allUsage() (map[string]time.Duration, error) {
	used := map[string]time.Duration{}
	for _, s := range b.systems {
		parts, err := s.usage()
		if err != nil {
			return nil, err
		}
		used[s.name] = sum(parts)
	}
	return used, nil
}

func (b *bench) allMemory() (map[string]standing, error) {
	found := map[string]standing{}
	for _, s := range b.systems {
		memory, err := s.memory()
		if err != nil {
			return nil, err
		}
		found[s.name] = standing{memory: memory}
	}
	return found, nil
}
