// Package http1 is a client of HTTP/1.1, over TCP and TLS, that works in the goroutine of its
// caller: who asks writes the request, reads the head of the answer and then its body. There is
// no goroutine a connection, and nothing goes through a channel. It reads more strictly than
// net/http does: what could be understood in two ways is an error, and ends the connection.
package http1

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Transport is an http.RoundTripper over a pool of connections. Of httptrace it tells
// WroteHeaders alone, right before something is written.
type Transport struct {
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	proxy     func(*http.Request) (*url.URL, error)
	tls       *tls.Config
	handshake time.Duration // bounds it; 0: nothing does
	// never: the template is for other protocols.
	never bool
	idle  idle
}

// New makes a Transport with the settings of the template: how it connects, its timeouts, and
// how many connections it keeps, here for all hosts together.
func New(template *http.Transport) *Transport {
	t := &Transport{
		dial: template.DialContext, proxy: template.Proxy, handshake: template.TLSHandshakeTimeout,
		never: template.Protocols != nil && !template.Protocols.HTTP1() || template.DialTLSContext != nil,
		idle: idle{
			most: cmp.Or(template.MaxIdleConnsPerHost, http.DefaultMaxIdleConnsPerHost),
			age:  template.IdleConnTimeout,
		},
		tls: &tls.Config{MinVersion: tls.VersionTLS12},
	}
	if t.dial == nil {
		t.dial = new(net.Dialer).DialContext
	}
	if template.TLSClientConfig != nil {
		t.tls = template.TLSClientConfig.Clone()
	}
	t.tls.NextProtos = []string{"http/1.1"}
	return t
}

// Carries tells whether the Transport may send a request: it connects to hosts, not to proxies,
// and knows no bodies of unknown length, no trailers of requests, and no changes of protocol.
// Whether a host behind TLS speaks HTTP/1.1 is for others to know.
func (t *Transport) Carries(request *http.Request) bool {
	at := request.URL
	switch {
	case t.never, at.Scheme != "http" && at.Scheme != "https", at.Opaque != "", at.Host == "":
		return false
	case request.ContentLength < 0, request.ContentLength == 0 && request.Body != nil && request.Body != http.NoBody,
		request.ContentLength > 0 && request.Body == nil:
		return false
	case request.Close, len(request.Trailer)+len(request.TransferEncoding) > 0, request.Method == http.MethodConnect:
		return false
	case !plainHost(at.Host), !plainHost(request.Host):
		return false
	}
	for _, name := range []string{"Connection", "Expect", "Upgrade"} {
		if len(request.Header[name]) > 0 {
			return false
		}
	}
	if t.proxy == nil {
		return true
	}
	proxy, err := t.proxy(request)
	return proxy == nil && err == nil
}

// plainHost tells whether a host can be written as it is: other ones have letters beyond ASCII,
// or the zone of an address.
func plainHost(host string) bool {
	for i := range len(host) {
		if host[i] >= 0x80 || host[i] == '%' {
			return false
		}
	}
	return httpguts.ValidHostHeader(host)
}

// RoundTrip implements http.RoundTripper, for requests that the Transport carries. It sends a
// request once. The error of a connection that was lost before the answer is a *LostError.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	return t.send(request, true)
}

// Once is RoundTrip over a connection of its own.
func (t *Transport) Once(request *http.Request) (*http.Response, error) {
	return t.send(request, false)
}

func (t *Transport) send(request *http.Request, pooled bool) (*http.Response, error) {
	ctx := request.Context()
	message, err := newMessage(request, pooled)
	if err != nil {
		return nil, err
	}
	c, reused, err := t.connection(ctx, request.URL, pooled)
	if err != nil {
		message.drop()
		return nil, err
	}
	x := &exchange{ctx: ctx, conn: c, keep: pooled}
	x.stop = context.AfterFunc(ctx, c.cut)
	if err := x.run(request, message); err != nil {
		x.release()
		x.finish(false)
		switch lost, is := errors.AsType[*LostError](err); {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case is:
			lost.Reused = reused
		}
		return nil, err
	}
	return &x.response, nil
}

// connection takes a connection of the pool, or opens one.
func (t *Transport) connection(ctx context.Context, to *url.URL, pooled bool) (c *conn, reused bool, err error) {
	if ctx.Err() != nil {
		return nil, false, context.Cause(ctx)
	}
	if pooled {
		if c := t.idle.take(to.Scheme, to.Host); c != nil {
			return c, true, nil
		}
	}
	c, err = t.open(ctx, to)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return c, false, err
}

// CloseIdleConnections empties the pool. Connections in use end when they are used no more, unless
// another request comes before.
func (t *Transport) CloseIdleConnections() { t.idle.empty() }

// LostError is a connection that broke, or was closed, before anything of an answer came.
type LostError struct {
	// Reused tells that the connection had served before.
	Reused bool
	Err    error
}

// Error implements error.
func (e *LostError) Error() string {
	return "the connection was lost before the answer: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Err }

// HandshakeError is a TLS handshake that failed. It reads as its cause.
type HandshakeError struct{ Err error }

// Error implements error.
func (e *HandshakeError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }
