package wire

import (
	"net"
	"net/http"
	"time"

	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/proto/service/secret"
)

const (
	connectTimeout = 10 * time.Second
	// idleConnections are kept for a burst to come back.
	idleConnections   = 256
	idleConnectionAge = 90 * time.Second
	// readBuffer holds what arrives at once of a fast stream.
	readBuffer = 16 << 10
)

// NewTransport makes the connections of one upstream, which go through the proxy where the
// request's context names none; it may be empty.
func NewTransport(proxy secret.Value) (*egress.Transport, error) {
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	return egress.New(&http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   connectTimeout,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
		// Events must not wait in a compressor, and the bytes are passed on as
		// they are.
		DisableCompression:  true,
		MaxIdleConns:        0, // no bound but the one per host, and there is one host
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     idleConnectionAge,
		ReadBufferSize:      readBuffer,
	}, proxy)
}
