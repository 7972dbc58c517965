package main

import (
	"context"
	"io"
	"sync/atomic"

	"carousel.internal/deploy/local/embeddedredis"
	gateway "carousel.internal/gateway/app"
	tokenstore "carousel.internal/tokenstore/app"
)

// version is set by the linker.
var version = "dev"

// run runs everything until ctx ends or a part fails.
func run(ctx context.Context, args []string, output io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	frontConfig, storeConfig, err := configure(o)
	if err != nil {
		return err
	}
	if err := prepareData(o.data); err != nil {
		return err
	}
	p := newParts(ctx)
	return p.close(start(p, o, frontConfig, storeConfig, output))
}

// start starts the parts in order, says hello, and waits for the end.
func start(p *parts, o options, frontConfig gateway.Config, storeConfig tokenstore.Config, output io.Writer) error {
	redis, err := embeddedredis.Start(p.ctx, o.data, false, slogTo(output))
	if err != nil {
		return err
	}
	p.atEnd(redis.Close)
	p.watch(redis.Lost)

	store, err := tokenstore.New(tokenstore.Options{
		Config: storeConfig, Version: version, Output: output, Redis: redis.Client, Sync: redis.Sync,
	})
	if err != nil {
		return err
	}
	p.run("tokenstore", store.Run)
	if err := untilReady(p.ctx, store.Ready); err != nil {
		return err
	}
	if o.newAdminToken {
		if err := store.ForgetAdminToken(p.ctx); err != nil {
			return err
		}
	}
	demo, err := simulate(p, store.Addr(), storeConfig, o.sim)
	if err != nil {
		return err
	}

	frontConfig.TokenstoreAddr, frontConfig.TokenstoreSecret = store.Addr(), storeConfig.TokenstoreSecret
	var generated atomic.Pointer[string]
	front, err := gateway.New(gateway.Options{
		Config: frontConfig, Version: version, Output: output, AdminToken: func(token string) { generated.Store(&token) },
	})
	if err != nil {
		return err
	}
	p.run("gateway", front.Run)
	if err := untilReady(p.ctx, front.Ready); err != nil {
		return err
	}
	welcome(output, greeting{
		addr: front.Addr(), prefix: frontConfig.RoutePrefix, data: o.data, redis: redis.Kind, demo: demo,
		stray:     stray(storeConfig.TokenFile, storeConfig.TokenListFile),
		generated: generated.Load(), configured: !frontConfig.AuthToken.Empty(),
	})
	<-p.ctx.Done()
	return nil
}
