package allinone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"

	"carousel.internal/deploy/local/embeddedredis"
	gateway "carousel.internal/gateway/app"
	"carousel.internal/proto/service/gctuner"
	"carousel.internal/proto/service/ops"
	tokenstore "carousel.internal/tokenstore/app"
)

// patience is how much garbage may gather under load, in bytes: what some thousand requests leave.
const patience = 32 << 20

// run runs everything until ctx ends or a part fails.
func run(ctx context.Context, name, version string, args []string, output, complaints io.Writer) error {
	o, err := parse(name, args, output, complaints)
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
	defer gctuner.Start(patience)()
	p, to := newParts(ctx), showOn(output, frontConfig.Level())
	defer to.close()
	return p.close(start(p, version, o, frontConfig, storeConfig, to))
}

// start starts the parts in order, says hello, and waits for the end.
func start(p *parts, version string, o options, frontConfig gateway.Config, storeConfig tokenstore.Config, to show) error {
	redis, err := embeddedredis.Start(p.ctx, o.data, false, to.own())
	if err != nil {
		return err
	}
	p.atEnd(redis.Close)
	p.watch(redis.Lost)
	watch := remind(p, to)

	store, err := tokenstore.New(tokenstore.Options{
		Config: storeConfig, Version: version, Output: to.output, Log: to.log, Redis: redis.Client, Sync: redis.Sync,
	})
	if err != nil {
		return err
	}
	p.run("tokenstore", store.Run)
	watch(store.Problems)
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
		Config: frontConfig, Version: version, Output: to.output, Log: to.log, LoginLinks: to.links,
		AdminToken: func(token string) { generated.Store(&token) },
	})
	if err != nil {
		return portTaken(err, frontConfig.Port)
	}
	p.run("gateway", front.Run)
	if err := untilReady(p.ctx, front.Ready); err != nil {
		return err
	}
	watch(front.Problems)
	g := greeting{
		addr: front.Addr(), prefix: frontConfig.RoutePrefix, data: o.data, redis: redis.Kind, demo: demo,
		stray:     stray(storeConfig.TokenFile, storeConfig.TokenListFile),
		generated: generated.Load(), configured: !frontConfig.AuthToken.Empty(),
	}
	if to.links {
		g.link = front.LoginLink()
	}
	welcome(to.output, g)
	<-p.ctx.Done()
	return nil
}

// remind has problems said while all runs, where a person looks on: those of what is watched.
func remind(p *parts, to show) (watch func(problems func() []ops.Problem)) {
	if to.screen == nil {
		return func(func() []ops.Problem) {}
	}
	reminder := newReminder(to.screen)
	p.beside(reminder.run)
	return reminder.watch
}

// portTaken says what to do where the public port is another program's.
func portTaken(err error, port int) error {
	failed, isNet := errors.AsType[*net.OpError](err)
	if !isNet || !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	if addr, isTCP := failed.Addr.(*net.TCPAddr); !isTCP || addr.Port != port {
		return err
	}
	return fmt.Errorf("port %d is taken by another program, which may be another Carousel: end that, or set PORT to another port (0 takes any that is free): %w", port, err)
}
