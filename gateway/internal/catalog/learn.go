package catalog

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

const (
	// refreshEvery is how often upstreams are asked for their models.
	refreshEvery = 5 * time.Minute
	// retryFirst is how soon an upstream that did not answer is asked again: an
	// admin who has just given it a token is waiting for its models. The pause
	// doubles up to retryMost, because each question may be blamed on a token.
	retryFirst = 5 * time.Second
	retryMost  = time.Minute
	// askTimeout bounds one such question.
	askTimeout = 10 * time.Second
)

// Run asks upstreams for their models, until ctx ends.
func (c *Catalog) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var silent map[*entry]bool
	retry := retryFirst
	for {
		select {
		case <-ctx.Done():
			for _, e := range c.now.Load().entries {
				e.driver.Close()
			}
			return
		case <-c.kick:
			retry = retryFirst
		case <-timer.C:
		}
		silent = c.refresh(ctx, silent)
		if len(silent) == 0 {
			retry = retryFirst
			timer.Reset(refreshEvery)
			continue
		}
		timer.Reset(retry)
		retry = min(2*retry, retryMost)
	}
}

// refresh asks the upstreams that are due, all at once. It answers those that
// did not answer, and logs them unless they were silent before.
func (c *Catalog) refresh(ctx context.Context, before map[*entry]bool) (silent map[*entry]bool) {
	var due []*entry
	for _, e := range c.now.Load().entries {
		if e.due() && c.hasTokens(e) {
			due = append(due, e)
		}
	}
	errs := make([]error, len(due))
	var asking sync.WaitGroup
	for i, e := range due {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			errs[i] = c.learn(ctx, e)
		})
	}
	asking.Wait()
	if ctx.Err() != nil {
		return nil
	}
	silent = map[*entry]bool{}
	reasons := map[string]error{}
	for i, e := range due {
		if errs[i] == nil {
			continue
		}
		silent[e], reasons[e.config.Name] = true, errs[i]
		if !before[e] {
			c.log.LogAttrs(ctx, slog.LevelWarn, "upstream does not tell its models", slog.String("upstream", e.config.Name), slog.Any("error", errs[i]))
		}
	}
	c.silent.Store(&reasons)
	return silent
}

// Silent are the upstreams that have tokens and did not tell their models when they were last
// asked, by name, and why.
func (c *Catalog) Silent() map[string]error {
	silent := map[string]error{}
	reasons := c.silent.Load()
	if reasons == nil {
		return silent
	}
	now := c.now.Load()
	for name, reason := range *reasons {
		if e := now.byName[name]; e != nil && c.hasTokens(e) {
			silent[name] = reason
		}
	}
	return silent
}

// due tells whether the upstream should be asked for its models.
func (e *entry) due() bool { return e.isAsked() && time.Since(e.asked) >= refreshEvery }

// isAsked tells whether anybody goes by what the upstream tells: the list, or the driver.
func (e *entry) isAsked() bool {
	if builtIn, ok := e.driver.(upstream.BuiltIn); ok {
		return builtIn.AsksModels()
	}
	return len(e.config.Models) == 0
}

// learn asks one upstream and puts what it answers into the catalog.
func (c *Catalog) learn(ctx context.Context, e *entry) error {
	told, err := c.ask(ctx, e)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now.Load()
	entries := slices.Clone(now.entries)
	if at := slices.Index(entries, e); at >= 0 { // else it was replaced meanwhile
		entries[at] = &entry{
			config: e.config, driver: e.driver, discipline: e.discipline,
			models: listing(e.config, e.driver, told), told: told, asked: time.Now(),
		}
		c.become(newState(entries, now.routes))
	}
	return nil
}

func (c *Catalog) ask(ctx context.Context, e *entry) ([]chat.Model, error) {
	credential, release, err := c.borrow(ctx, e.config.Name)
	if err != nil {
		return nil, err
	}
	models, err := e.driver.Models(ctx, credential)
	release(err)
	if err != nil {
		return nil, err
	}
	if len(models) == 0 {
		return nil, errors.New("it lists none")
	}
	for i := range models {
		models[i].OwnedBy = cmp.Or(models[i].OwnedBy, e.config.Name)
		models[i].Created = cmp.Or(models[i].Created, chat.UntoldCreated)
	}
	return models, nil
}
