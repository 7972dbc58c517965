package cursor

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/imagefetch"
	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/agent"
	"carousel.internal/gateway/internal/upstream/cursor/streamchat"
	"carousel.internal/proto/service/secret"
)

// Name is the driver's name in an upstream's config.
const Name = "cursor"

// protocol is one way to speak with the upstream.
type protocol interface {
	// Chat, Carries and Tunes are as in upstream.Driver, upstream.Carrier and upstream.Tuner.
	Chat(ctx context.Context, call *upstream.Call) iter.Seq2[chat.Event, error]
	Carries(need chat.Need) bool
	Tunes(field string) bool
	// Dress writes the headers of a request that is no stream.
	Dress(header http.Header, call *upstream.Call) *upstream.Failure
}

// asker is a protocol whose upstream can be asked for its models.
type asker interface {
	Models(ctx context.Context, credential upstream.Credential) ([]chat.Model, error)
}

type driver struct {
	protocol
	settings *settings
	pools    pools
	// plain asks for what is no stream.
	plain  *http.Client
	images images
}

// New builds the driver. An empty base URL is the real upstream. The settings are those that
// parsers names.
func New(config upstream.Config) (upstream.Driver, error) {
	settings, err := parseSettings(config)
	if err != nil {
		return nil, err
	}
	pools, err := newPools(settings.connect, settings.proxy)
	if err != nil {
		return nil, err
	}
	d := &driver{
		settings: settings,
		pools:    pools,
		// A redirect would carry the token elsewhere: it is an error.
		plain: &http.Client{
			Transport:     pools.any,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		images: imagefetch.New(imagefetch.Options{}),
	}
	if settings.protocol == chatProtocol {
		d.protocol = streamchat.New(settings.base, pools.any, settings.firstByte, settings.idle)
		return d, nil
	}
	d.protocol = agent.New(agent.Config{
		RunBase: settings.agentBase, Base: settings.base, Transport: pools.http2,
		Version: settings.version, FirstByte: settings.firstByte, Idle: settings.idle,
		Models: settings.models, StructuredTools: settings.structuredTools, SystemInText: settings.inText,
		Keep: settings.keepRuns,
	})
	return d, nil
}

// Models implements upstream.Driver.
func (d *driver) Models(ctx context.Context, credential upstream.Credential) ([]chat.Model, error) {
	if asked, can := d.protocol.(asker); can {
		return asked.Models(ctx, credential)
	}
	return d.BuiltInModels(), nil
}

// AsksModels implements upstream.BuiltIn.
func (d *driver) AsksModels() bool {
	_, can := d.protocol.(asker)
	return can
}

// BuiltInModels implements upstream.BuiltIn.
func (d *driver) BuiltInModels() []chat.Model { return slices.Clone(models) }

// proxyTimeout bounds the check of a proxy.
const proxyTimeout = 10 * time.Second

// CheckProxy implements upstream.ProxyChecker. The proxy must lead to the API, and to where
// runs are begun if that is elsewhere.
func (d *driver) CheckProxy(ctx context.Context, proxy secret.Value) error {
	ctx, cancel := context.WithTimeout(ctx, proxyTimeout)
	defer cancel()
	for _, base := range d.settings.hosts() {
		if err := d.pools.any.Check(ctx, proxy, base); err != nil {
			return err
		}
	}
	return nil
}

// Close implements upstream.Driver.
func (d *driver) Close() { d.pools.closeIdle() }

// TakesOwnTokens implements upstream.OwnTokens.
func (d *driver) TakesOwnTokens() {}

// KeepsPerToken implements upstream.Keeper.
func (d *driver) KeepsPerToken() int {
	if d.settings.protocol != agentProtocol || d.settings.keepRuns == 0 {
		return 0
	}
	return d.settings.keptPerToken
}
