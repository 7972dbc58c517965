package codex

import (
	"context"
	"net/http"
	"time"
)

// Retries are how often, and after which waits, a request is sent again.
type Retries struct {
	// Request is how many more requests follow one that a 5xx or a broken connection answers;
	// Stream, how many more of these turns follow one of which the stream broke.
	Request, Stream int
	// First is the wait before the first of either; each next one is twice as long.
	First time.Duration
	// Idle bounds the silence of a stream.
	Idle time.Duration
}

// Usual are Codex's own.
var Usual = Retries{Request: 4, Stream: 5, First: 200 * time.Millisecond, Idle: DefaultIdle}

// backoff is the wait before the n-th retry, counted from 0.
func (r Retries) backoff(n int) time.Duration { return r.First << n }

// sleep waits, unless the context ends before.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refused is what the client makes of an answer that is no stream.
func refused(status int, body []byte) *Failure {
	told := toldError(body)
	failure := &Failure{Remedy: Again, Status: status, Code: told.Code, Message: string(body)}
	switch {
	case status == http.StatusBadRequest, status == http.StatusTooManyRequests:
		failure.Remedy = Final
	case status == http.StatusServiceUnavailable && (told.Code == "server_is_overloaded" || told.Code == "slow_down"):
		failure.Remedy = Final
	}
	return failure
}
