package redisstore

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// ScriptObserver counts what scripts take. It must not block.
type ScriptObserver interface {
	// Ran is a round trip with a script, from when it was sent until its answer came. What failed
	// may have run. A round trip with several scripts is told once for each kind of them.
	Ran(script string, took time.Duration, failed bool)
}

// scriptNames has the name of each script that has been loaded, by its SHA-1 and by its source: by
// what Redis is sent. There are two for each file of lua/.
var scriptNames sync.Map

// scriptWatch tells an observer of scripts.
type scriptWatch struct{ observer ScriptObserver }

// DialHook implements redis.Hook.
func (scriptWatch) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (w scriptWatch) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		name := scriptOf(cmd)
		if name == "" {
			return next(ctx, cmd)
		}
		began, spans := time.Now(), beginScript(ctx, cmd.Name(), name)
		err := next(ctx, cmd)
		w.observer.Ran(name, time.Since(began), hasFailed(err))
		endScript(spans, err)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (w scriptWatch) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		began, spans := time.Now(), beginScripts(ctx, cmds)
		err := next(ctx, cmds)
		took, last := time.Since(began), ""
		endScript(spans, err)
		for _, cmd := range cmds {
			if name := scriptOf(cmd); name != "" && name != last {
				w.observer.Ran(name, took, hasFailed(cmd.Err()))
				last = name
			}
		}
		return err
	}
}

// scriptOf is the name of the script that a command runs; empty: it runs none of ours.
func scriptOf(cmd redis.Cmder) string {
	if name := cmd.Name(); name != "evalsha" && name != "eval" || len(cmd.Args()) < 2 {
		return ""
	}
	name, _ := scriptNames.Load(cmd.Args()[1])
	text, _ := name.(string)
	return text
}

// hasFailed tells whether a script failed. One that Redis has lost in a restart is sent again.
func hasFailed(err error) bool {
	return err != nil && !errors.Is(err, redis.Nil) && !redis.HasErrorPrefix(err, "NOSCRIPT")
}
