package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// answerLimit bounds a phase beyond its own time: the answers under way at its
// end.
const answerLimit = 15 * time.Second

// load is the closed loop for one cell: a number of connections on which one
// request follows the other.
type load struct {
	workload    workload
	request     []byte
	connections []*connection
	// length is the body's: the same for every answer.
	length int
}

// newLoad connects, and looks at the first answer on every connection whole.
func newLoad(ctx context.Context, w workload, addr, key string) (*load, error) {
	l := &load{workload: w, request: w.request(addr, key)}
	for range w.connections {
		c, err := dial(ctx, addr)
		if err != nil {
			l.close()
			return nil, err
		}
		l.connections = append(l.connections, c)
		if err := l.first(c); err != nil {
			l.close()
			return nil, fmt.Errorf("first answer: %w", err)
		}
	}
	return l, nil
}

func (l *load) first(c *connection) error {
	var body bytes.Buffer
	if err := c.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return err
	}
	got, err := c.exchange(l.request, &body)
	if err != nil {
		return err
	}
	if l.length == 0 {
		l.length = got.body.length
	}
	return errors.Join(l.workload.verify(body.Bytes()), l.check(got))
}

// check is the cheap look at every answer.
func (l *load) check(got answer) error {
	if got.body.length != l.length {
		return fmt.Errorf("an answer of %d bytes instead of %d", got.body.length, l.length)
	}
	if l.workload.stream && string(got.body.tail[:]) != l.workload.end() {
		return fmt.Errorf("the stream ends in %q", got.body.tail)
	}
	return nil
}

func (l *load) close() {
	for _, c := range l.connections {
		_ = c.Close()
	}
}

// timings are what one phase of load took.
type timings struct {
	window time.Duration
	// inWindow answers were complete before the window's end, and make the rate;
	// all of them have cost CPU time.
	inWindow   int
	totals     []time.Duration // sorted
	firstBytes []time.Duration // sorted
	errors     []error
}

func (t *timings) rate() float64 { return float64(t.inWindow) / t.window.Seconds() }

// quantile answers the q-quantile of sorted durations.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// run keeps all connections busy for a window, and lets the last answers come. A
// connection with a wrong answer does not go on.
func (l *load) run(window time.Duration) *timings {
	phases := make([]timings, len(l.connections))
	end := time.Now().Add(window)
	var running sync.WaitGroup
	for i, c := range l.connections {
		running.Go(func() { l.drive(c, end, &phases[i]) })
	}
	running.Wait()

	sum := &timings{window: window}
	for _, phase := range phases {
		sum.inWindow += phase.inWindow
		sum.totals = append(sum.totals, phase.totals...)
		sum.firstBytes = append(sum.firstBytes, phase.firstBytes...)
		sum.errors = append(sum.errors, phase.errors...)
	}
	slices.Sort(sum.totals)
	slices.Sort(sum.firstBytes)
	return sum
}

func (l *load) drive(c *connection, end time.Time, into *timings) {
	if err := c.SetDeadline(end.Add(answerLimit)); err != nil {
		into.errors = append(into.errors, err)
		return
	}
	for now := time.Now(); now.Before(end); {
		got, err := c.exchange(l.request, nil)
		if err == nil {
			err = l.check(got)
		}
		if err != nil {
			into.errors = append(into.errors, err)
			return
		}
		if now = time.Now(); now.Before(end) {
			into.inWindow++
		}
		into.totals = append(into.totals, got.total)
		into.firstBytes = append(into.firstBytes, got.firstByte)
	}
}
