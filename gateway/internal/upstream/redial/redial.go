// Package redial sends a request a second time, over a connection of its own, when the
// pooled connection that it went out on turns out to be dead. Nobody is to blame for
// that: servers and balancers close idle connections whenever they like, and the news
// crosses with the request. A connection that was new, that had begun to answer, or
// that broke after a while is a failure like any other.
package redial

import "net/http"

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
	var attempt Attempt
	response, err := t.pooled.RoundTrip(request.WithContext(attempt.Watched(request.Context())))
	if err == nil || !attempt.MetDead(err) || request.GetBody == nil || request.Context().Err() != nil {
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
