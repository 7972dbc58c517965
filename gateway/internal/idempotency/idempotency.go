// Package idempotency gives a repeated request the answer that the first one got, or is
// getting. In one gateway a repetition follows the first answer while it comes; in
// another gateway it waits until the answer is complete. The store says, for all of
// them, who answers a key and what was answered. What failed is not remembered.
package idempotency

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"carousel.internal/gateway/internal/chat"
)

const (
	// renewEvery is a third of the time after which the store takes an owner for dead.
	renewEvery = 3 * time.Second
	// askEvery is how often a request asks for an answer that another gateway is at.
	askEvery = 250 * time.Millisecond
	// callTimeout bounds a call of the store.
	callTimeout = 2 * time.Second
)

// Hash is a SHA-256.
type Hash [32]byte

// State is what the store says of a key.
type State int

// The states.
const (
	// Owned: the asker is to answer.
	Owned State = iota
	// Running: another request, in another gateway, is being answered.
	Running
	// Answered: the answer is there.
	Answered
	// Other: the key belongs to another request.
	Other
)

// Store keeps claims and answers for all gateways.
type Store interface {
	// Claim asks for the right to answer, or prolongs it.
	Claim(ctx context.Context, key, request Hash, owner string) (State, *Answer, error)
	// Finish ends a claim; a nil answer is forgotten.
	Finish(ctx context.Context, key Hash, owner string, answer *Answer) error
}

// Desk is safe for concurrent use.
type Desk struct {
	store Store
	log   *slog.Logger
	// ending are claims whose end the store is being told.
	ending sync.WaitGroup

	mu sync.Mutex
	// running are the answers that this gateway is at, or waits for.
	running map[Hash]*Recording
}

// New makes a desk.
func New(store Store, log *slog.Logger) *Desk {
	return &Desk{store: store, log: log, running: map[Hash]*Recording{}}
}

// Claim is the right to answer a key. Whoever has it calls Finish
// or Break once.
type Claim struct {
	*Recording
	desk   *Desk
	key    Hash
	owner  string
	cancel context.CancelFunc
	renew  sync.WaitGroup
}

// Begin answers a claim, or the recording of the answer that the first request gets.
// owner is the asker's id. The errors are *chat.Error.
func (d *Desk) Begin(ctx context.Context, key, request Hash, owner string) (*Claim, *Recording, error) {
	mine, first := d.enter(key, request)
	if !first {
		if mine.request != request {
			return nil, nil, errOther
		}
		return nil, mine, nil
	}
	state, answer, err := d.claim(ctx, key, request, owner)
	switch {
	case err != nil:
		d.leave(key, mine)
		mine.finish(errAbandoned)
		return nil, nil, err
	case state == Answered:
		mine.fill(answer)
		d.leave(key, mine)
		return nil, mine, nil
	}
	claim := &Claim{Recording: mine, desk: d, key: key, owner: owner}
	var running context.Context
	running, claim.cancel = context.WithCancel(context.WithoutCancel(ctx))
	claim.renew.Go(func() { d.keep(running, key, request, owner) })
	return claim, nil, nil
}

var errOther = chat.Errorf(chat.Conflict, "this Idempotency-Key belongs to another request: use a new key for each")

// Abandoned tells a recording that will never begin: the request that follows it
// begins anew.
func Abandoned(err error) bool { return errors.Is(err, errAbandoned) }

// enter answers the recording of a key, and whether it is a new one.
func (d *Desk) enter(key, request Hash) (*Recording, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.running[key]; known != nil {
		return known, false
	}
	made := newRecording(request)
	d.running[key] = made
	return made, true
}

func (d *Desk) leave(key Hash, mine *Recording) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running[key] == mine {
		delete(d.running, key)
	}
}

// claim asks until the key is owned or answered.
func (d *Desk) claim(ctx context.Context, key, request Hash, owner string) (State, *Answer, error) {
	for {
		state, answer, err := d.ask(ctx, key, request, owner)
		switch {
		case err != nil:
			return state, nil, err
		case state == Other:
			return state, nil, errOther
		case state != Running:
			return state, answer, nil
		}
		select {
		case <-time.After(askEvery):
		case <-ctx.Done():
			return state, nil, chat.AsError(context.Cause(ctx))
		}
	}
}

func (d *Desk) ask(ctx context.Context, key, request Hash, owner string) (State, *Answer, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	state, answer, err := d.store.Claim(call, key, request, owner)
	switch {
	case err == nil:
		return state, answer, nil
	case ctx.Err() != nil:
		return state, nil, chat.AsError(context.Cause(ctx))
	default:
		return state, nil, &chat.Error{
			Kind: chat.StoreUnavailable, RetryAfter: time.Second, Err: err,
			Message: "whether this Idempotency-Key has been answered can't be found out now; without the key the request needs no such answer",
		}
	}
}

// keep prolongs a claim until ctx ends. A claim that is lost all the same costs a
// second answer, not this one.
func (d *Desk) keep(ctx context.Context, key, request Hash, owner string) {
	ticker := time.NewTicker(renewEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if _, _, err := d.ask(ctx, key, request, owner); err != nil && ctx.Err() == nil {
				d.log.LogAttrs(ctx, slog.LevelWarn, "an idempotency key's claim is not prolonged", slog.String("request_id", owner), slog.Any("error", err))
			}
		}
	}
}

// Finish ends the claim; an answer without err is remembered. The err is one that the
// answer speaks of itself, where it had begun. Finish does not wait for the store.
func (c *Claim) Finish(ctx context.Context, err error) {
	if err != nil {
		err = recorded{err}
	}
	c.end(ctx, err)
}

// Break is Finish for an answer that broke off without a word.
func (c *Claim) Break(ctx context.Context) { c.end(ctx, errBroken) }

func (c *Claim) end(ctx context.Context, err error) {
	answer := c.finish(err)
	if answer == nil {
		c.desk.leave(c.key, c.Recording) // who comes now begins anew, when the store knows
	}
	c.desk.ending.Go(func() { c.report(context.WithoutCancel(ctx), answer) })
}

// report tells the store.
func (c *Claim) report(ctx context.Context, answer *Answer) {
	c.cancel()
	c.renew.Wait()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := c.desk.store.Finish(ctx, c.key, c.owner, answer); err != nil {
		c.desk.log.LogAttrs(ctx, slog.LevelWarn, "an idempotency key's answer is not remembered", slog.String("request_id", c.owner), slog.Any("error", err))
	}
	c.desk.leave(c.key, c.Recording) // after the store knows: who comes between follows the recording
}

// Wait returns when the store has been told, or could not be, of all claims that have
// ended. It is for when no more requests come.
func (d *Desk) Wait() { d.ending.Wait() }
