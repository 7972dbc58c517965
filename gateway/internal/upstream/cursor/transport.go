package cursor

import (
	"net"
	"net/http"
	"time"

	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/proto/service/secret"
)

// Bounds of the pools.
const (
	// idleConn is less than the minute after which common load balancers hang up: a
	// request on a connection that is being closed is lost.
	idleConn     = 50 * time.Second
	maxIdleConns = 512
	// pingAfter is the silence after which an HTTP/2 connection must show that it
	// is alive, pingTimeout how long it may take.
	pingAfter   = 30 * time.Second
	pingTimeout = 15 * time.Second
)

// template has the settings of connections: HTTP/2 where the upstream offers it, else
// HTTP/1.1. The timeout is for the TCP and the TLS handshake each.
func template(connectTimeout time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: connectTimeout, KeepAlive: pingAfter}).DialContext,
		TLSHandshakeTimeout: connectTimeout,
		ForceAttemptHTTP2:   true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		MaxIdleConns:        maxIdleConns,
		MaxIdleConnsPerHost: maxIdleConns,
		IdleConnTimeout:     idleConn,
		DisableCompression:  true, // compression is per frame
	}
}

// overHTTP2 is template for HTTP/2 alone: over TLS by agreement, without TLS unasked.
func overHTTP2(connectTimeout time.Duration) *http.Transport {
	pool := template(connectTimeout)
	pool.Protocols = new(http.Protocols)
	pool.Protocols.SetHTTP2(true)
	pool.Protocols.SetUnencryptedHTTP2(true)
	return pool
}

// pools are an upstream's connections.
type pools struct{ any, http2 *egress.Transport }

func newPools(connectTimeout time.Duration, proxy secret.Value) (pools, error) {
	both, err := egress.New(template(connectTimeout), proxy)
	if err != nil {
		return pools{}, err
	}
	http2, err := egress.New(overHTTP2(connectTimeout), proxy)
	if err != nil {
		return pools{}, err
	}
	return pools{any: both, http2: http2}, nil
}

func (p pools) closeIdle() {
	p.any.CloseIdleConnections()
	p.http2.CloseIdleConnections()
}
