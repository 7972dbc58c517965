package testredis

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"
)

// Patient has the calls of a client take the time of a test, whatever deadlines they come with, and
// returns the client. It is for tests of what bounds its calls itself, by less than a machine that
// has much to do may keep it from its work.
func Patient(client redis.UniversalClient) redis.UniversalClient {
	client.AddHook(patience{})
	return client
}

// patience is the hook of patient clients.
type patience struct{}

func (patience) DialHook(next redis.DialHook) redis.DialHook { return next }

func (patience) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, end := withoutDeadline(ctx)
		defer end()
		return next(ctx, cmd)
	}
}

func (patience) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		ctx, end := withoutDeadline(ctx)
		defer end()
		return next(ctx, cmds)
	}
}

// withoutDeadline is a context that ends by Timeout, or when the given one is cancelled. The caller
// ends it.
func withoutDeadline(ctx context.Context) (context.Context, func()) {
	without, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
	if errors.Is(ctx.Err(), context.Canceled) {
		cancel()
	}
	stop := context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	})
	return without, func() { stop(); cancel() }
}
