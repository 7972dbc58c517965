package openai

import (
	"context"
	"errors"
	"iter"
	"net/url"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/gateway/internal/upstream/wire"
	"carousel.internal/proto/service/secret"
)

// Driver is an upstream.Driver.
type Driver struct {
	settings  settings
	transport *egress.Transport
	base      *url.URL
	chatURL   *url.URL
	modelsURL *url.URL

	responsesURL *url.URL
	responses    responsesRoute
}

var _ upstream.Constructor = New

// New builds a driver for config.BaseURL.
func New(config upstream.Config) (upstream.Driver, error) {
	base, badBase := parseBase(config.BaseURL)
	host := ""
	if badBase == nil {
		host = base.Hostname()
	}
	settings, badSettings := parseSettings(host, config.Settings)
	if err := errors.Join(badBase, badSettings); err != nil {
		return nil, err
	}
	transport, err := wire.NewTransport(settings.proxy)
	if err != nil {
		return nil, err
	}
	driver := &Driver{
		settings:     settings,
		base:         base,
		chatURL:      base.JoinPath("chat", "completions"),
		modelsURL:    base.JoinPath("models"),
		responsesURL: base.JoinPath("responses"),
		transport:    transport,
	}
	driver.responses.learn(servingFor(&settings.quirks))
	return driver, nil
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

// Speaks implements upstream.Native. As long as it is not known whether the upstream serves the
// Responses API, it may: the first request finds out, and is translated where it does not.
func (d *Driver) Speaks(name string) bool {
	return name == dialect || name == responsesDialect && d.responses.state() != missing
}

// Close implements upstream.Driver.
func (d *Driver) Close() { d.transport.CloseIdleConnections() }

// CheckProxy implements upstream.ProxyChecker.
func (d *Driver) CheckProxy(ctx context.Context, proxy secret.Value) error {
	return d.transport.Check(ctx, proxy, d.base)
}
