package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// mostConnections bounds those of an open loop. Where all are in use, the next
// request waits for one, and its time tells.
const mostConnections = 2048

// open starts requests at fixed times, however many are still out, on whichever
// connection has been idle for longest. Their times count from when they were to start,
// so that a system that falls behind can't hide it.
func (l *load) open(ctx context.Context, window time.Duration) *timings {
	loop := &openLoop{load: l, idle: make(chan *connection, mostConnections)}
	for _, c := range l.connections {
		loop.idle <- c
	}
	interval := time.Second / time.Duration(l.workload.rate)
	began := time.Now()
	loop.from = began.Add(l.workload.lead())
	loop.end = loop.from.Add(window)
	loop.took.window = window
	var running sync.WaitGroup
	for next := began; next.Before(loop.end) && !loop.failed.Load() && ctx.Err() == nil; next = next.Add(interval) {
		sleepUntil(next)
		c, err := loop.start(ctx)
		if err != nil {
			loop.fail(err)
			break
		}
		running.Go(func() { loop.finish(c, next) })
	}
	running.Wait()
	loop.took.sort()
	return &loop.took
}

// openLoop is one phase of an open loop.
type openLoop struct {
	load      *load
	idle      chan *connection
	from, end time.Time // of the window
	failed    atomic.Bool

	mu   sync.Mutex
	took timings
}

// start sends a request, and answers the connection on which its answer will come.
func (o *openLoop) start(ctx context.Context) (*connection, error) {
	c, err := o.connection(ctx)
	if err != nil {
		return nil, err
	}
	return c, errors.Join(c.SetDeadline(time.Now().Add(answerLimit)), c.send(o.load.request))
}

func (o *openLoop) connection(ctx context.Context) (*connection, error) {
	select {
	case c := <-o.idle:
		return c, nil
	default:
	}
	if len(o.load.connections) < mostConnections {
		return o.load.connect(ctx)
	}
	select {
	case c := <-o.idle:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// finish reads the answer to a request that was to start then.
func (o *openLoop) finish(c *connection, planned time.Time) {
	receive := o.load.nextAnswer
	if !c.known {
		receive = o.load.firstAnswer
	}
	got, err := receive(c, planned)
	if err != nil {
		o.fail(err)
		return
	}
	o.idle <- c
	o.mu.Lock()
	defer o.mu.Unlock()
	o.took.answers++
	if done := planned.Add(got.total); !done.Before(o.from) && done.Before(o.end) {
		o.took.inWindow++
	}
	if !planned.Before(o.from) {
		o.took.totals = append(o.took.totals, got.total)
		o.took.firstBytes = append(o.took.firstBytes, got.firstByte)
	}
}

func (o *openLoop) fail(err error) {
	o.failed.Store(true)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.took.errors = append(o.took.errors, err)
}

// sleepUntil returns at a time, or a little later.
func sleepUntil(then time.Time) {
	for wait := time.Until(then); wait > 0; wait = time.Until(then) {
		sleep(wait)
	}
}
