package redial

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

// atOnce is how long a dead connection may take to show it: more than a round trip,
// and less than an upstream needs to work on a request and then to crash.
const atOnce = time.Second

// Attempt sees what becomes of a request's connection. Its zero value is ready for one request.
type Attempt struct {
	began            time.Time
	reused, answered atomic.Bool
}

// Watched makes the context of the request, which is sent now.
func (a *Attempt) Watched(ctx context.Context) context.Context {
	a.began = time.Now()
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(info httptrace.GotConnInfo) { a.reused.Store(info.Reused) },
		GotFirstResponseByte: func() { a.answered.Store(true) },
	})
}

// Answered tells whether an answer has begun.
func (a *Attempt) Answered() bool { return a.answered.Load() }

// MetDead tells whether the request failed because its pooled connection was dead.
func (a *Attempt) MetDead(err error) bool {
	return a.reused.Load() && !a.answered.Load() && time.Since(a.began) <= atOnce && isDead(err)
}

// isDead tells a connection that is gone from all other errors.
func isDead(err error) bool {
	for _, sign := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed} {
		if errors.Is(err, sign) {
			return true
		}
	}
	// net/http does not export these.
	text := err.Error()
	return strings.Contains(text, "server closed idle connection") || strings.Contains(text, "client connection lost")
}
