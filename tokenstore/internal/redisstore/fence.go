package redisstore

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// fence keeps every command from data that a store must not use: of another schema,
// sealed with keys that it has not, emptied behind its back. Callers are told why, as if
// Redis were away, so that gateways go on with what they know and hold in reserve.
type fence struct {
	closed atomic.Pointer[rpcerr.Error]
}

func (f *fence) close(reason error) {
	f.closed.Store(&rpcerr.Error{
		Reason: tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, Message: reason.Error(), RetryAfter: time.Second,
	})
}

func (f *fence) open() { f.closed.Store(nil) }

// check returns why a command may not pass.
func (f *fence) check(ctx context.Context) error {
	closed := f.closed.Load()
	if closed == nil || ctx.Value(passKey{}) != nil {
		return nil
	}
	return closed
}

type passKey struct{}

// throughFence is for those who find out whether the fence can be opened.
func throughFence(ctx context.Context) context.Context {
	return context.WithValue(ctx, passKey{}, true)
}

// DialHook implements redis.Hook: connecting harms nothing.
func (f *fence) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (f *fence) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := f.check(ctx); err != nil {
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (f *fence) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := f.check(ctx); err != nil {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
			return err
		}
		return next(ctx, cmds)
	}
}
