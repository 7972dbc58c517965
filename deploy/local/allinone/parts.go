package allinone

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// startLimit is how long the parts may take to be ready for each other.
const startLimit = 30 * time.Second

// parts are what runs in this process. They stop in the reverse order of their
// start, each before the one that it needs.
type parts struct {
	// ctx ends when the process should stop: it was told to, or a part failed.
	ctx  context.Context //nolint:containedctx // the life of the process
	fail context.CancelCauseFunc
	stop []func() error
}

func newParts(ctx context.Context) *parts {
	p := &parts{}
	p.ctx, p.fail = context.WithCancelCause(ctx)
	return p
}

// run starts a part; if it ends by itself, everything stops.
func (p *parts) run(name string, part func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.ctx))
	done := make(chan error, 1)
	go func() { // ends when stopped
		err := part(ctx)
		if ctx.Err() == nil {
			p.fail(fmt.Errorf("the %s ended: %w", name, errors.Join(err)))
		}
		done <- err
	}()
	p.stop = append(p.stop, func() error {
		cancel()
		return <-done
	})
}

// watch stops everything when lost tells of an error; nil never does.
func (p *parts) watch(lost <-chan error) {
	p.beside(func(ctx context.Context) {
		select {
		case err := <-lost:
			p.fail(err)
		case <-ctx.Done():
		}
	})
}

// beside runs what no part needs, until everything stops.
func (p *parts) beside(run func(context.Context)) {
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(p.ctx)
	running.Go(func() { run(ctx) })
	p.atEnd(func() {
		cancel()
		running.Wait()
	})
}

// atEnd has a function called when everything stops.
func (p *parts) atEnd(end func()) {
	p.stop = append(p.stop, func() error {
		end()
		return nil
	})
}

// close stops everything and answers why: nil when the process was told to.
func (p *parts) close(err error) error {
	if cause := context.Cause(p.ctx); err == nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	for i := len(p.stop) - 1; i >= 0; i-- {
		err = errors.Join(err, p.stop[i]())
	}
	return err
}

// untilReady waits for a part.
func untilReady(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", err)
		case <-ticker.C:
		}
	}
}
