package openai

import (
	"context"
	"errors"
	"iter"
	"net/url"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/redial"
	"carousel.internal/gateway/internal/upstream/wire"
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
	return &Driver{
		settings:  settings,
		base:      base,
		chatURL:   base.JoinPath("chat", "completions"),
		modelsURL: base.JoinPath("models"),
		transport: wire.NewTransport(),
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
