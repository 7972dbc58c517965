package openai

import (
	"context"
	"errors"
	"iter"
	"net"
	"net/http"
	"net/url"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/redial"
)

const (
	connectTimeout = 10 * time.Second
	// idleConnections are kept for a burst to come back; each costs its two
	// buffers and two goroutines.
	idleConnections   = 256
	idleConnectionAge = 90 * time.Second
	// readBuffer holds what arrives at once of a fast stream.
	readBuffer = 16 << 10
)

// Driver is an upstream.Driver.
type Driver struct {
	settings  settings
	transport *redial.Transport
	base      *url.URL
	chatURL   *url.URL
	modelsURL *url.URL
}

var _ upstream.Constructor = New

// New builds a driver for config.BaseURL.
func New(config upstream.Config) (upstream.Driver, error) {
	base, badBase := parseBase(config.BaseURL)
	settings, badSettings := parseSettings(config.Settings)
	if err := errors.Join(badBase, badSettings); err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	return &Driver{
		settings:  settings,
		base:      base,
		chatURL:   base.JoinPath("chat", "completions"),
		modelsURL: base.JoinPath("models"),
		transport: redial.New(&http.Transport{
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
		}),
	}, nil
}

// Chat implements upstream.Driver.
func (d *Driver) Chat(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error] {
	return func(yield func(chat.Event, error) bool) {
		a := attempt{driver: d, call: call, yield: yield}
		if failure := a.run(ctx); failure != nil && !a.left {
			yield(chat.Event{}, failure)
		}
	}
}

// Prepare implements upstream.Preparer. Images go to the upstream as they are, and
// it fetches those by URL itself: this gateway is exposed to nothing by them, so
// only a setting of none keeps them back.
func (d *Driver) Prepare(_ context.Context, request *chat.Request, options upstream.Options) (*chat.Request, error) {
	switch {
	case options.Vision != upstream.VisionNone:
		return request, nil
	case request.HistoryFault != nil: // there may be images in what could not be read
		return nil, request.HistoryFault
	}
	for i, message := range request.Messages {
		for j, part := range message.Parts {
			if part.Image != nil {
				return nil, upstream.VisionDisabled(request, i, j)
			}
		}
	}
	return request, nil
}

// Speaks implements upstream.Native.
func (d *Driver) Speaks(name string) bool { return name == dialect }

// Close implements upstream.Driver.
func (d *Driver) Close() { d.transport.CloseIdleConnections() }
