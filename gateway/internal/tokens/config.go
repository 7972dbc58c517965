package tokens

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Config is what the store says the configuration is: watched, so that a change
// holds here within moments. While the store is away the last one holds.
type Config struct {
	client  tokenstorev1.ConfigServiceClient
	replica string
	log     *slog.Logger
	now     atomic.Pointer[tokenstorev1.WatchResponse]
	changed func(*tokenstorev1.WatchResponse)
}

// NewConfig makes a watcher; Run keeps it current. changed is called with each
// configuration, in order, in Run's goroutine.
func NewConfig(client tokenstorev1.ConfigServiceClient, replica string, changed func(*tokenstorev1.WatchResponse), log *slog.Logger) *Config {
	return &Config{client: client, replica: replica, log: log, changed: changed}
}

// Run watches until ctx ends. A tokenstore ends watches now and then, so that they
// spread: that is no news.
func (c *Config) Run(ctx context.Context) {
	pause := backoff{}
	for ctx.Err() == nil {
		began := time.Now()
		err := c.watch(ctx, &pause)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, io.EOF) && time.Since(began) >= time.Second {
			continue
		}
		c.log.LogAttrs(ctx, slog.LevelWarn, "configuration watch broke; the last configuration holds", slog.Any("error", err))
		pause.wait(ctx)
	}
}

func (c *Config) watch(ctx context.Context, pause *backoff) error {
	stream, err := c.client.Watch(ctx, &tokenstorev1.WatchRequest{Replica: c.replica}, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	for {
		response, err := stream.Recv()
		if err != nil {
			return err
		}
		*pause = backoff{}
		c.now.Store(response)
		c.changed(response)
	}
}

// Settings answers the settings; before the first configuration came, the zero
// settings.
func (c *Config) Settings() *tokenstorev1.Settings { return c.now.Load().GetSettings() }

// AdminTokenHash is the SHA-256 of the generated admin token; nil while unknown
// or when none was generated.
func (c *Config) AdminTokenHash() []byte { return c.now.Load().GetAdminTokenHash() }

// Pages are the pages that an admin serves in place of built-in ones.
func (c *Config) Pages() []*tokenstorev1.Page { return c.now.Load().GetPages() }

// SessionRevoked tells whether a page session was ended before its time.
func (c *Config) SessionRevoked(id string) bool {
	for _, revoked := range c.now.Load().GetRevokedSessions() {
		if revoked.GetId() == id {
			return true
		}
	}
	return false
}

// Ready answers nil once a configuration has come.
func (c *Config) Ready(context.Context) error {
	if c.now.Load() == nil {
		return errors.New("no configuration from the tokenstore yet")
	}
	return nil
}
