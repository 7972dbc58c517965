// Package egress leads what is sent to upstreams through outgoing proxies: http, https and
// socks5, of an upstream or of one token. Whatever is spoken with the upstream, a proxy is
// asked for a tunnel to it, and sees the upstream's host and the bytes. TLS is between this
// program and the upstream, whose name the proxy resolves. Each proxy has connections of its
// own.
package egress

import (
	"context"
	"net/http"

	"carousel.internal/gateway/internal/headerlog"
	"carousel.internal/gateway/internal/upstream/redial"
	"carousel.internal/proto/service/secret"
	"carousel.internal/proto/service/tracing"
)

// Transport is an http.RoundTripper that goes through the proxy of the request's context,
// else through its own, if it has one, else as the environment says.
type Transport struct {
	direct *redial.Transport
	own    secret.Value
	pools  *pools
}

// New makes a Transport. template has the settings of its connections, and is its own from
// now on; proxy is for requests whose context names none, and may be empty.
func New(template *http.Transport, proxy secret.Value) (*Transport, error) {
	if !proxy.Empty() {
		if err := Parse(proxy.Reveal()); err != nil {
			return nil, err
		}
	}
	return &Transport{direct: redial.New(template), own: proxy, pools: newPools(template)}, nil
}

type proxyKey struct{}

// Through makes a context whose requests go through the proxy; an empty one changes nothing.
func Through(ctx context.Context, proxy secret.Value) context.Context {
	if proxy.Empty() {
		return ctx
	}
	return context.WithValue(ctx, proxyKey{}, proxy)
}

// RoundTrip implements http.RoundTripper. A proxy that is at fault is an *Error.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	way, err := t.wayOf(request.Context())
	if err != nil {
		return nil, refuse(request, err)
	}
	request = tracing.Named(request)
	exchange := headerlog.Sending(request)
	response, err := way.RoundTrip(request)
	exchange.Answered(response)
	return response, err
}

// Once is RoundTrip over a connection of its own, one time whatever happens.
func (t *Transport) Once(request *http.Request) (*http.Response, error) {
	way, err := t.wayOf(request.Context())
	if err != nil {
		return nil, refuse(request, err)
	}
	request = tracing.Named(request)
	exchange := headerlog.Sending(request)
	response, err := way.Once(request)
	exchange.Answered(response)
	return response, err
}

// refuse ends a request that is not sent. A RoundTripper closes bodies in any case.
func refuse(request *http.Request, err error) error {
	if request.Body != nil {
		_ = request.Body.Close()
	}
	return err
}

// wayOf finds the connections for a request.
func (t *Transport) wayOf(ctx context.Context) (*redial.Transport, error) {
	through := t.own
	if named, ok := ctx.Value(proxyKey{}).(secret.Value); ok {
		through = named
	}
	if through.Empty() {
		return t.direct, nil
	}
	return t.pools.of(through)
}

// CloseIdleConnections empties the pools.
func (t *Transport) CloseIdleConnections() {
	t.direct.CloseIdleConnections()
	t.pools.closeIdle()
}
