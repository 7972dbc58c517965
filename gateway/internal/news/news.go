// Package news tells those who listen which parts of what they look at have changed. One watcher
// for all of them looks once a second, and only while somebody listens. It knows neither what the
// parts are nor how listeners are told.
package news

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// pace is how often is looked for news, and patience how long a look may take.
	pace     = time.Second
	patience = 900 * time.Millisecond
	// beat is how many looks apart listeners are told that there is nothing new, so that they know
	// that they still hear.
	beat = 2
	// echo is how many looks after a change it is told of once more: what is shown of it may come
	// late, such as counts that are remembered for some seconds.
	echo = 5

	// mostListeners bounds those that listen at a time, and mostOfOne those of one owner: when
	// another comes, the owner's oldest is over.
	mostListeners = 100
	mostOfOne     = 4
)

// All is the part that stands for everything.
const All = "all"

var (
	// ErrFull is that of one who comes when too many listen.
	ErrFull = errors.New("too many listen")
	// ErrClosed is that of one who comes when nobody is told any more.
	ErrClosed = errors.New("nobody is told any more")
)

// Versions returns a version of each part, by the part's name: another one when it has changed.
// With an error, anything may have.
type Versions func(ctx context.Context) (map[string]string, error)

// Desk knows who listens. It is safe for concurrent use.
type Desk struct {
	versions Versions
	watching sync.WaitGroup

	mu sync.Mutex
	// listeners are those who listen, the oldest first.
	listeners []*Listener
	// stop ends the watcher; nil while nobody listens.
	stop   context.CancelFunc
	closed bool
}

// New makes a desk.
func New(versions Versions) *Desk { return &Desk{versions: versions} }

// Listener is one that is told of news. Whoever listens closes it.
type Listener struct {
	desk  *Desk
	owner string
	holds func() bool
	// wake has room for one: there is something to tell.
	wake chan struct{}
	// over is closed when there will be no more.
	over chan struct{}

	// told: it has been told something; changed are the parts that it is to be told of. The desk's
	// mutex guards both.
	told    bool
	changed []string
}

// Listen adds a listener of an owner. It is over when holds, which is asked once a second and must
// not block, says so. The first that it hears, within a second, is that all may have changed.
func (d *Desk) Listen(owner string, holds func() bool) (*Listener, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, ErrClosed
	}
	d.makeRoom(owner)
	if len(d.listeners) >= mostListeners {
		return nil, ErrFull
	}
	listener := &Listener{desk: d, owner: owner, holds: holds, wake: make(chan struct{}, 1), over: make(chan struct{})}
	d.listeners = append(d.listeners, listener)
	if d.stop == nil {
		var ctx context.Context
		ctx, d.stop = context.WithCancel(context.Background())
		d.watching.Go(func() { d.watch(ctx) })
	}
	return listener, nil
}

// makeRoom ends the oldest listener of an owner who has as many as one may have: a connection of
// which nobody has noticed yet that it is dead. mu is held.
func (d *Desk) makeRoom(owner string) {
	var own []*Listener
	for _, each := range d.listeners {
		if each.owner == owner {
			own = append(own, each)
		}
	}
	if len(own) >= mostOfOne {
		d.end(own[0])
	}
}

// end has a listener hear no more. mu is held.
func (d *Desk) end(listener *Listener) {
	at := slices.Index(d.listeners, listener)
	if at < 0 {
		return
	}
	d.listeners = slices.Delete(d.listeners, at, at+1)
	close(listener.over)
	if len(d.listeners) == 0 {
		d.stop()
		d.stop = nil
	}
}

// Close ends all listeners, waits for the watcher, and lets nobody listen any more.
func (d *Desk) Close() {
	d.mu.Lock()
	d.closed = true
	for _, each := range slices.Clone(d.listeners) {
		d.end(each)
	}
	d.mu.Unlock()
	d.watching.Wait()
}

// watch looks for news until ctx ends.
func (d *Desk) watch(ctx context.Context) {
	again := time.NewTicker(pace)
	defer again.Stop()
	known := d.look(ctx)
	d.tell(ctx, nil, false) // the first to listen
	var earlier [echo][]string
	for looks := 1; ; looks++ {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
		now := d.look(ctx)
		changed := differences(known, now)
		d.tell(ctx, slices.Concat(changed, earlier[looks%echo]), looks%beat == 0)
		known, earlier[looks%echo] = now, changed
	}
}

// look returns the versions; nil: they could not be found out.
func (d *Desk) look(ctx context.Context) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	versions, err := d.versions(ctx)
	if err != nil {
		return nil
	}
	return versions
}

// differences names the parts that have changed, in order.
func differences(known, now map[string]string) []string {
	if known == nil || now == nil {
		return []string{All}
	}
	var changed []string
	for _, part := range slices.Sorted(maps.Keys(now)) {
		if known[part] != now[part] {
			changed = append(changed, part)
		}
	}
	return changed
}

// tell tells all listeners what has changed, those that come anew that all may have; with anyway,
// also that nothing has.
func (d *Desk) tell(ctx context.Context, changed []string, anyway bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx.Err() != nil { // those who listen now have another watcher
		return
	}
	for _, each := range slices.Clone(d.listeners) {
		switch {
		case !each.holds():
			d.end(each)
		case !each.told:
			each.hear([]string{All})
		case len(changed) > 0 || anyway:
			each.hear(changed)
		}
	}
}

// hear adds to what the listener is to be told. The desk's mutex is held.
func (l *Listener) hear(changed []string) {
	l.told = true
	for _, part := range changed {
		if !slices.Contains(l.changed, part) {
			l.changed = append(l.changed, part)
		}
	}
	select {
	case l.wake <- struct{}{}:
	default: // it has not taken the last word yet
	}
}

// Next waits until there is something to tell and returns the parts that have changed: none, now
// and then, when nothing has. It is false when the listener is over, or ctx is.
func (l *Listener) Next(ctx context.Context) (changed []string, ok bool) {
	select {
	case <-ctx.Done():
		return nil, false
	case <-l.over:
		return nil, false
	case <-l.wake:
	}
	l.desk.mu.Lock()
	defer l.desk.mu.Unlock()
	changed, l.changed = l.changed, nil
	return changed, true
}

// Close ends the listening. A second Close does nothing.
func (l *Listener) Close() {
	l.desk.mu.Lock()
	defer l.desk.mu.Unlock()
	l.desk.end(l)
}
