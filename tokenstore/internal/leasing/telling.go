package leasing

import (
	"context"
	"log/slog"
	"time"
)

const (
	// tellTimeout bounds how long others may take to be told something: much shorter than a demand
	// waits for what comes of it.
	tellTimeout = 200 * time.Millisecond
	// maxTelling bounds what is being told.
	maxTelling = 64
)

// TellHere says who is told that slots of an upstream are wanted where other tokenstores can't be:
// the sessions of this one. It is for before Run; tell must not block.
func (d *Desk) TellHere(tell func(upstream string)) { d.here = tell }

// tell has others told of something and does not wait for that: on a Cluster it passes a server
// which may be silent while that of the pool is not. otherwise is called where they can't be told.
func (d *Desk) tell(ctx context.Context, upstream, what string, say func(context.Context) error, otherwise func()) {
	select {
	case d.telling <- struct{}{}:
	default:
		otherwise()
		return
	}
	d.told.Go(func() {
		defer func() { <-d.telling }()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTimeout)
		defer cancel()
		if err := say(ctx); err != nil {
			d.log.LogAttrs(ctx, slog.LevelWarn, "other tokenstores can't be told", slog.String("of", what), slog.String("upstream", upstream), slog.Any("error", err))
			otherwise()
		}
	})
}
