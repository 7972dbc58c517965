package app

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"carousel.internal/gateway/internal/gather"
)

const (
	// headerTimeout is how long a client may take to send a request's header, and
	// idleTimeout how long it may keep a connection without a request.
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10

	// spareDescriptors are for all that is no client's: the ops port, the tokenstore, files.
	// Each client takes up to two: its own connection, and one to an upstream.
	spareDescriptors     = 64
	descriptorsPerClient = 2
	// leastConnections and mostConnections bound what is made of the limit of descriptors.
	leastConnections = 16
	mostConnections  = 10_000
)

// connectionLimit is how many open connections the public port may have: what is
// configured, else what the process's limit of descriptors allows.
func connectionLimit(configured int) int {
	if configured > 0 {
		return configured
	}
	if descriptors, known := descriptorLimit(); known {
		return connectionsWithin(descriptors)
	}
	return mostConnections
}

// connectionsWithin is how many connections so many descriptors allow.
func connectionsWithin(descriptors uint64) int {
	if descriptors > spareDescriptors+descriptorsPerClient*mostConnections {
		return mostConnections
	}
	return max((int(descriptors)-spareDescriptors)/descriptorsPerClient, leastConnections)
}

// publicServer makes the server of the public port; requests is the context of all that it
// serves. Bodies and answers have deadlines of their own: httpapi sets them. What net/http
// refuses by itself, body and all, is over with the time for its header.
func publicServer(requests context.Context, handler http.Handler, most int, log *slog.Logger) *http.Server {
	server := &http.Server{
		BaseContext: func(net.Listener) context.Context { return requests },
		Handler:     handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ConnContext: gather.Context,
	}
	crowd := &crowd{server: server, most: int64(most)}
	server.ConnState = crowd.changed
	return server
}

// limited lets at most so many connections of a listener be open; others wait to be
// accepted. Each can gather what is written to it.
func limited(listener net.Listener, most int) net.Listener {
	return gather.Listener(netutil.LimitListener(listener, most))
}

// crowd counts a server's open connections. Near their limit none is kept without a
// request, so that those who wait get in.
type crowd struct {
	server  *http.Server
	most    int64
	open    atomic.Int64
	crowded atomic.Bool
}

// changed is the server's ConnState hook.
func (c *crowd) changed(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if c.open.Add(1) > c.most*3/4 && c.crowded.CompareAndSwap(false, true) {
			c.server.SetKeepAlivesEnabled(false)
		}
	case http.StateClosed, http.StateHijacked:
		if c.open.Add(-1) < c.most/2 && c.crowded.CompareAndSwap(true, false) {
			c.server.SetKeepAlivesEnabled(true)
		}
	case http.StateActive, http.StateIdle:
	}
}
