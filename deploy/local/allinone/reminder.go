package allinone

import (
	"context"
	"fmt"
	"sync"
	"time"

	"carousel.internal/proto/service/ops"
)

const (
	// lookEvery is how soon a problem is noticed, and its end.
	lookEvery = 3 * time.Second
	// remindEvery is how often a problem that lasts is said again.
	remindEvery = 5 * time.Minute
)

// voice says things to whoever looks on.
type voice interface {
	// Warn says that something is wrong, Relieve that it is no more.
	Warn(at time.Time, text string)
	Relieve(at time.Time, text string)
}

// reminder says problems once when they begin, again and again while they last, and once when they
// are over. What they are about is bounded by who tells of them.
type reminder struct {
	voice voice
	// lasting are those that there were at the last look, by name. run's own.
	lasting map[string]*lasting

	mu      sync.Mutex
	sources []func() []ops.Problem
}

// lasting is a problem that is not over.
type lasting struct {
	text        string
	since, said time.Time
}

func newReminder(voice voice) *reminder {
	return &reminder{voice: voice, lasting: map[string]*lasting{}}
}

// watch has the reminder ask a source for its problems from now on. It must not block.
func (r *reminder) watch(source func() []ops.Problem) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sources = append(r.sources, source)
}

// run looks for problems until ctx ends.
func (r *reminder) run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			r.look(now)
		}
	}
}

func (r *reminder) look(now time.Time) {
	there := map[string]bool{}
	for _, problem := range r.problems() {
		there[problem.Name] = true
		r.tell(problem, now)
	}
	for name, problem := range r.lasting {
		if !there[name] {
			delete(r.lasting, name)
			r.voice.Relieve(now, fmt.Sprintf("over after %s: %s", age(problem.since, now), problem.text))
		}
	}
}

// tell says a problem if that is due.
func (r *reminder) tell(problem ops.Problem, now time.Time) {
	known := r.lasting[problem.Name]
	switch {
	case known == nil:
		r.lasting[problem.Name] = &lasting{text: problem.Text, since: now, said: now}
		r.voice.Warn(now, problem.Text)
	case now.Sub(known.said) >= remindEvery:
		known.text, known.said = problem.Text, now
		r.voice.Warn(now, fmt.Sprintf("still, after %s: %s", age(known.since, now), problem.Text))
	}
}

func (r *reminder) problems() []ops.Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	var problems []ops.Problem
	for _, source := range r.sources {
		problems = append(problems, source()...)
	}
	return problems
}

// age is how long something has lasted, in words.
func age(since, now time.Time) string {
	switch lasted := now.Sub(since); {
	case lasted < time.Minute:
		return fmt.Sprintf("%d s", int(lasted.Seconds()))
	case lasted < time.Hour:
		return fmt.Sprintf("%d min", int(lasted.Minutes()))
	default:
		return fmt.Sprintf("%d h %d min", int(lasted.Hours()), int(lasted.Minutes())%60)
	}
}
