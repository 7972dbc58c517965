package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// atOnce is how long a dead connection may take to show it: more than a round trip, and less
// than an upstream needs to work on a run and then to crash.
const atOnce = time.Second

// attempt sees what becomes of a request's connection. Nobody is to blame for a pooled one
// that turns out to be dead, and the run goes out again, but not as the same: no upstream is
// to see a run's ids twice, so that this is not left to who makes the connections.
type attempt struct {
	began            time.Time
	reused, answered atomic.Bool
}

// watched makes a context whose request the attempt sees.
func (a *attempt) watched(ctx context.Context) context.Context {
	a.began = time.Now()
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(info httptrace.GotConnInfo) { a.reused.Store(info.Reused) },
		GotFirstResponseByte: func() { a.answered.Store(true) },
	})
}

// wasNeverBegun tells whether a request without an answer has certainly not been worked on.
func (a *attempt) wasNeverBegun(err error) bool {
	switch {
	case a.answered.Load():
		return false
	case isTurnedAway(err):
		return true
	}
	return a.reused.Load() && time.Since(a.began) < atOnce && isDead(err)
}

// isDead tells a connection that is gone from all other errors.
func isDead(err error) bool {
	for _, sign := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed} {
		if errors.Is(err, sign) {
			return true
		}
	}
	return strings.Contains(err.Error(), "client connection lost") // net/http does not export it
}

// isTurnedAway tells whether the server says that it has not begun: it is shutting down, or
// takes no more at a time.
func isTurnedAway(err error) bool {
	text := err.Error() // net/http exports neither
	return strings.Contains(text, "graceful shutdown GOAWAY") || strings.Contains(text, "REFUSED_STREAM")
}
