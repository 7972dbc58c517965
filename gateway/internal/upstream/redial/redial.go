// Package redial sends a request a second time, over a connection of its own, when the
// pooled connection that it went out on turns out to be dead. Nobody is to blame for
// that: servers and balancers close idle connections whenever they like, and the news
// crosses with the request. A connection that was new, that had begun to answer, or
// that broke after a while is a failure like any other.
package redial

import (
	"errors"
	"net/http"
	"time"

	"carousel.internal/gateway/internal/upstream/http1"
)

// Transport is an http.RoundTripper over a pool. What goes over HTTP/1.1 has package http1;
// all else, and the first request to a host behind TLS, which may choose HTTP/2, has net/http.
type Transport struct {
	http1    *http1.Transport
	versions versions

	pooled *http.Transport
	// fresh keeps no connection, so it never uses one again.
	fresh *http.Transport
}

// New makes a Transport. The pool is its own from now on.
func New(pool *http.Transport) *Transport {
	fresh := pool.Clone()
	fresh.DisableKeepAlives = true
	return &Transport{http1: http1.New(pool), pooled: pool, fresh: fresh}
}

// RoundTrip implements http.RoundTripper. A request without GetBody is sent once, if it has a
// body or asks for a change.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, metDead, err := t.first(request)
	if !metDead || request.Context().Err() != nil {
		return response, err
	}
	again := request.Clone(request.Context())
	switch {
	case request.GetBody != nil:
		body, bodyErr := request.GetBody()
		if bodyErr != nil {
			return nil, err
		}
		again.Body = body
	case !isQuestion(request):
		return nil, err
	}
	return t.Once(again)
}

// isQuestion tells whether a request can be sent again without a word: it changes nothing, and
// has no body.
func isQuestion(request *http.Request) bool {
	return (request.Method == http.MethodGet || request.Method == http.MethodHead) &&
		(request.Body == nil || request.Body == http.NoBody)
}

// first sends a request, and tells whether it met a dead connection.
func (t *Transport) first(request *http.Request) (response *http.Response, metDead bool, err error) {
	if !t.isPlain(request) {
		var attempt Attempt
		response, err = guarded(t.pooled.RoundTrip(request.WithContext(attempt.Watched(request.Context()))))
		if err != nil {
			return nil, attempt.MetDead(err), err
		}
		if request.URL.Scheme == "https" && response.ProtoMajor == 1 {
			t.versions.learn(request.URL.Host)
		}
		return response, false, nil
	}
	began := time.Now()
	response, err = t.http1.RoundTrip(request)
	if err == nil {
		return response, false, nil
	}
	t.reconsider(request, err)
	lost, is := errors.AsType[*http1.LostError](err)
	return nil, is && lost.Reused && time.Since(began) <= atOnce && isDead(err), err
}

// isPlain tells whether a request goes over HTTP/1.1 for certain.
func (t *Transport) isPlain(request *http.Request) bool {
	return (request.URL.Scheme != "https" || t.versions.isHTTP1(request.URL.Host)) && t.http1.Carries(request)
}

// reconsider has the host asked again which version it speaks, where the handshake failed: it
// may speak HTTP/1.1 no more.
func (t *Transport) reconsider(request *http.Request, err error) {
	if _, failed := errors.AsType[*http1.HandshakeError](err); failed {
		t.versions.forget(request.URL.Host)
	}
}

// CloseIdleConnections empties the pool.
func (t *Transport) CloseIdleConnections() {
	t.pooled.CloseIdleConnections()
	t.http1.CloseIdleConnections()
}
