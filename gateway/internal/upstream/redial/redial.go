// Package redial sends a request a second time, over a connection of its own, when the
// pooled connection that it went out on turns out to be dead. Nobody is to blame for
// that: servers and balancers close idle connections whenever they like, and the news
// crosses with the request. A connection that was new, that had begun to answer, or
// that broke after a while is a failure like any other.
package redial

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// atOnce is how long a dead connection may take to show it: more than a round trip,
// and less than an upstream needs to work on a request and then to crash.
const atOnce = time.Second

// Transport is an http.RoundTripper over a pool.
type Transport struct {
	pooled *http.Transport
	// fresh keeps no connection, so it never uses one again.
	fresh *http.Transport
}

// New makes a Transport. The pool is its own from now on.
func New(pool *http.Transport) *Transport {
	fresh := pool.Clone()
	fresh.DisableKeepAlives = true
	return &Transport{pooled: pool, fresh: fresh}
}

// RoundTrip implements http.RoundTripper. A request without GetBody is sent once.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	var reused, answered atomic.Bool
	ctx := httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
		GotConn:              func(info httptrace.GotConnInfo) { reused.Store(info.Reused) },
		GotFirstResponseByte: func() { answered.Store(true) },
	})
	began := time.Now()
	response, err := t.pooled.RoundTrip(request.WithContext(ctx))
	if err == nil || !reused.Load() || answered.Load() || time.Since(began) > atOnce || !isDead(err) ||
		request.GetBody == nil || request.Context().Err() != nil {
		return response, err
	}
	body, bodyErr := request.GetBody()
	if bodyErr != nil {
		return nil, err
	}
	again := request.Clone(request.Context())
	again.Body = body
	return t.fresh.RoundTrip(again)
}

// CloseIdleConnections empties the pool.
func (t *Transport) CloseIdleConnections() { t.pooled.CloseIdleConnections() }

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
