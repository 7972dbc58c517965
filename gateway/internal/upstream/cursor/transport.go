package cursor

import (
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of the pool.
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

// newTransport is the driver's pool of connections: HTTP/2 where the upstream
// offers it, else HTTP/1.1. The timeout is for the TCP and the TLS handshake each.
func newTransport(connectTimeout time.Duration) *http.Transport {
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

// exchange is what a call and its HTTP exchange tell each other. It travels in the
// request's context, because connect stands between them.
type exchange struct {
	// frames is the answer's body, once there is one.
	frames *frames
	// ended is called when the end frame has been read.
	ended func()
}

type exchangeKey struct{}

// Headers of the Connect protocol.
const (
	frameEncoding   = "Connect-Content-Encoding"
	frameType       = "application/connect+proto"
	gzipName        = "gzip"
	timeoutHeader   = "Connect-Timeout-Ms"
	acceptHeader    = "Accept-Encoding"
	userAgentHeader = "User-Agent"
)

// dresser makes requests and answers look as the other side wants them, where
// connect has its own opinion.
type dresser struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (d dresser) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context()) // a RoundTripper may not change its request
	request.Header.Set(userAgentHeader, userAgent)
	request.Header.Del(timeoutHeader) // our deadline is none of the upstream's business
	request.Header.Del(acceptHeader)
	response, err := d.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK || !hasFrames(response.Header) {
		return nil, readRefusal(response)
	}
	// The upstream sends compressed frames without having named the encoding;
	// connect would refuse them.
	if encoding := response.Header.Get(frameEncoding); encoding == "" || encoding == "identity" {
		response.Header.Set(frameEncoding, gzipName)
	}
	if x, ok := request.Context().Value(exchangeKey{}).(*exchange); ok {
		x.frames = newFrames(response.Body, x.ended)
		response.Body = x.frames
	}
	return response, nil
}

func hasFrames(header http.Header) bool {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && media == frameType
}

// maxRefusal bounds how much of a refusal is read, in bytes.
const maxRefusal = 64 << 10

// refusal is an answer that is no stream: from the upstream's edge, from a proxy,
// or from somebody else altogether.
type refusal struct {
	status int
	header http.Header
	body   []byte
}

// Error implements error, without the body.
func (r *refusal) Error() string {
	return "an answer without frames: HTTP " + strconv.Itoa(r.status)
}

func readRefusal(response *http.Response) error {
	// What can't be read of the body is not needed: the status says enough.
	body, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	_ = response.Body.Close()
	if ended := response.Request.Context().Err(); err != nil && ended != nil {
		return errors.Join(ended, err)
	}
	return &refusal{status: response.StatusCode, header: response.Header, body: body}
}

// isPage tells whether the body is for eyes: then it is no word of the upstream's
// about the token.
func (r *refusal) isPage() bool {
	return strings.Contains(r.header.Get("Content-Type"), "html") || strings.HasPrefix(strings.TrimSpace(string(r.body)), "<")
}

// withExchange makes the context of one call.
func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}
