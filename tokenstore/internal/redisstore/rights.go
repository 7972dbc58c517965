package redisstore

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

var rightsScript = newScript("rights")

// rights knows whether the user of a client may do all that scripts do. A script that may
// not stops halfway, with what it has done until then: so rights are tried before the first
// one runs, and again as soon as one has been refused something.
type rights struct {
	client  redis.UniversalClient
	keys    []string
	channel string
	// sure: they were tried, and nothing has been refused since.
	sure atomic.Bool
}

// watchRights makes the rights of a client, by keys of one slot.
func watchRights(client redis.UniversalClient, keys []string, channel string) *rights {
	r := &rights{client: client, keys: keys, channel: channel}
	client.AddHook(r)
	return r
}

// check returns nil when the rights are there.
func (r *rights) check(ctx context.Context) error {
	if r.sure.Swap(true) {
		return nil
	}
	err := rightsScript.run(ctx, r.client, r.keys, r.channel).Err()
	if err != nil {
		r.sure.Store(false)
	}
	return storeError("try what the user may do", err)
}

// note takes in how a command ended.
func (r *rights) note(err error) {
	if err != nil && refusedInScript(err) {
		r.sure.Store(false)
	}
}

// DialHook implements redis.Hook.
func (r *rights) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (r *rights) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		r.note(err)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (r *rights) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			r.note(cmd.Err())
		}
		return err
	}
}
