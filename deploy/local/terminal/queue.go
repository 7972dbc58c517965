package terminal

import (
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// mostQueued bounds the lines that wait to be written.
	mostQueued = 1000
	// closePatience is how long the last lines may take to be written.
	closePatience = time.Second
)

// queue has lines written one after the other, so that an output that is slow, or that somebody has
// paused, holds nobody up. Lines that it has no room for are left out and counted. It is safe for
// concurrent use.
type queue struct {
	output  io.Writer
	lines   chan string
	missed  atomic.Int64
	closing chan struct{}
	closed  chan struct{}
}

// newQueue makes a queue that close ends.
func newQueue(output io.Writer) *queue {
	q := &queue{output: output, lines: make(chan string, mostQueued), closing: make(chan struct{}), closed: make(chan struct{})}
	go q.run()
	return q
}

// put adds a line. It does not block.
func (q *queue) put(line string) {
	select {
	case q.lines <- line:
	default:
		q.missed.Add(1)
	}
}

// close writes what there is, and ends the queue; later lines are left out. It is called once.
// An output that does not take the last lines in time is left alone with them.
func (q *queue) close() {
	close(q.closing)
	patience := time.NewTimer(closePatience)
	defer patience.Stop()
	select {
	case <-q.closed:
	case <-patience.C:
	}
}

func (q *queue) run() {
	defer close(q.closed)
	for {
		select {
		case line := <-q.lines:
			q.write(line)
		case <-q.closing:
			q.write()
			return
		}
	}
}

// write writes lines and those that wait, in one piece. Nobody is told of its failure: there is
// nobody whom it would help.
func (q *queue) write(lines ...string) {
	for range len(q.lines) {
		lines = append(lines, <-q.lines)
	}
	if missed := q.missed.Swap(0); missed > 0 {
		lines = append(lines, fmt.Sprintf("(%d lines are left out: the terminal was too slow for them)", missed))
	}
	if len(lines) > 0 {
		_, _ = io.WriteString(q.output, strings.Join(lines, "\n")+"\n")
	}
}
