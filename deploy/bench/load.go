package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// answerLimit bounds a phase beyond its own time: the answers under way at its
// end.
const answerLimit = 15 * time.Second

// load is what one cell asks of a system. A closed loop has a request follow the
// answer of the one before on each of its connections; an open loop starts them at
// fixed times.
type load struct {
	workload    workload
	addr        string
	request     []byte
	connections []*connection
	// length is the body's: the same for every answer.
	length int
}

// newLoad connects, and looks at the first answer on every connection whole. An open
// loop does so when it first uses one, but for the first of all.
func newLoad(ctx context.Context, w workload, addr, key string) (*load, error) {
	l := &load{workload: w, addr: addr, request: w.request(addr, key)}
	for i := range w.connections {
		c, err := l.connect(ctx)
		if err == nil && (i == 0 || w.rate == 0) {
			err = l.first(c)
		}
		if err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

// connect opens one more connection.
func (l *load) connect(ctx context.Context) (*connection, error) {
	c, err := dial(ctx, l.addr)
	if err == nil {
		l.connections = append(l.connections, c)
	}
	return c, err
}

// first asks on a connection for the first time.
func (l *load) first(c *connection) error {
	if err := c.SetDeadline(time.Now().Add(answerLimit)); err != nil {
		return err
	}
	began := time.Now()
	if err := c.send(l.request); err != nil {
		return err
	}
	_, err := l.firstAnswer(c, began)
	return err
}

// firstAnswer reads the first answer on a connection, and looks at all of it.
func (l *load) firstAnswer(c *connection, began time.Time) (answer, error) {
	var body bytes.Buffer
	got, err := c.receive(began, &body)
	if err != nil {
		return got, fmt.Errorf("first answer: %w", err)
	}
	if l.length == 0 {
		l.length = got.body.length
	}
	c.known = true
	return got, errors.Join(l.workload.verify(body.Bytes()), l.check(got))
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

// ask makes one of the later requests on a connection.
func (l *load) ask(c *connection) (answer, error) {
	began := time.Now()
	if err := c.send(l.request); err != nil {
		return answer{}, err
	}
	return l.nextAnswer(c, began)
}

// nextAnswer reads one of the later answers on a connection.
func (l *load) nextAnswer(c *connection, began time.Time) (answer, error) {
	got, err := c.receive(began, nil)
	if err != nil {
		return got, err
	}
	return got, l.check(got)
}

func (l *load) close() {
	for _, c := range l.connections {
		_ = c.Close()
	}
}

// timings are what one phase of load took.
type timings struct {
	window time.Duration
	// answers are all that came, and have cost CPU time; those inWindow were complete
	// before its end, and make the rate.
	answers, inWindow int
	// Of an open loop's requests only those that were to start in the window.
	totals     []time.Duration // sorted
	firstBytes []time.Duration // sorted
	errors     []error
}

// errTooSlow is that a system could not keep up: nothing about its answers is wrong.
var errTooSlow = errors.New("too slow")

func tooSlow(err error) bool {
	return errors.Is(err, errTooSlow) || errors.Is(err, os.ErrDeadlineExceeded)
}

// problem is the worst that went wrong, nil where nothing did: a wrong answer is worse than
// one that did not come in time.
func (t *timings) problem() error {
	if len(t.errors) == 0 {
		return nil
	}
	worst := max(0, slices.IndexFunc(t.errors, func(err error) bool { return !tooSlow(err) }))
	return fmt.Errorf("%d requests failed, one of them: %w", len(t.errors), t.errors[worst])
}

func (t *timings) rate() float64 { return float64(t.inWindow) / t.window.Seconds() }

// quantile answers the q-quantile of sorted durations.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (t *timings) sort() {
	slices.Sort(t.totals)
	slices.Sort(t.firstBytes)
}

// run loads the system for a window, and lets the last answers come. An open loop
// goes on before the window for as long as its workload's lead. After a wrong answer
// its connection does not go on.
func (l *load) run(ctx context.Context, window time.Duration) *timings {
	if l.workload.rate > 0 {
		return l.open(ctx, window)
	}
	return l.closed(window)
}

// closed keeps all connections busy.
func (l *load) closed(window time.Duration) *timings {
	phases := make([]timings, len(l.connections))
	end := time.Now().Add(window)
	var running sync.WaitGroup
	for i, c := range l.connections {
		running.Go(func() { l.drive(c, end, &phases[i]) })
	}
	running.Wait()

	sum := &timings{window: window}
	for _, phase := range phases {
		sum.answers += len(phase.totals)
		sum.inWindow += phase.inWindow
		sum.totals = append(sum.totals, phase.totals...)
		sum.firstBytes = append(sum.firstBytes, phase.firstBytes...)
		sum.errors = append(sum.errors, phase.errors...)
	}
	sum.sort()
	return sum
}

func (l *load) drive(c *connection, end time.Time, into *timings) {
	if err := c.SetDeadline(end.Add(answerLimit)); err != nil {
		into.errors = append(into.errors, err)
		return
	}
	for now := time.Now(); now.Before(end); {
		got, err := l.ask(c)
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
