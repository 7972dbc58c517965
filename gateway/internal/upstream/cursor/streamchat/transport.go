package streamchat

import (
	"context"
	"net/http"

	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/gateway/internal/upstream/cursor/identity"
)

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
	request.Header.Set(userAgentHeader, identity.UserAgent)
	request.Header.Del(timeoutHeader) // our deadline is none of the upstream's business
	request.Header.Del(acceptHeader)
	response, err := d.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if err := fault.NoStream(response); err != nil {
		return nil, err
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

// withExchange makes the context of one call.
func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}
