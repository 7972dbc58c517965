// Package gctuner makes the garbage collector patient under load, and has memory go back to
// the operating system when the load has ended.
//
// Go collects when the heap has doubled. A service whose live heap is a few MiB doubles it many
// times a second under load, and collects as often. So while it is busy, an amount of garbage
// may gather first; for a heap that is larger than that anyway nothing changes. When it is
// quiet, what has gathered is collected and given back, and little gathers from then on.
package gctuner

import (
	"os"
	"runtime"
	"time"
)

const (
	// restPercent is the GOGC of a quiet process: how much may gather, of the live heap.
	restPercent = 50
	// rush is the time between two collections below which a quiet process has become busy.
	rush = time.Second
	// lookEvery is how often a busy process is looked at. A quiet one is woken once more, and
	// then by nothing but collections.
	lookEvery = 3 * time.Second
	// idleAfter is when what was kept for more of the load, idle connections above all, has gone.
	idleAfter = 2 * time.Minute
	// quietBytes is what a quiet process allocates at most between two looks.
	quietBytes = 3 << 20
)

// Start begins to tune the collector; stop ends that, and waits until it has. Garbage is how many
// bytes of it may gather under load in any case. Where the environment has a GOGC, that is what
// holds, and nothing is done.
func Start(garbage int) (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	collected := make(chan struct{}, 1)
	stopping, stopped := make(chan struct{}), make(chan struct{})
	watch := watchCollections(collected)
	go func() { // ends when stopped
		defer close(stopped)
		run(&tuner{heap: goHeap{}, garbage: uint64(max(garbage, 0))}, collected, stopping)
	}()
	return func() {
		watch.end()
		close(stopping)
		<-stopped
	}
}

// run tunes until it is stopped.
func run(t *tuner, collected, stopping <-chan struct{}) {
	before := t.heap.setPercent(restPercent)
	defer t.heap.setPercent(before)
	// The start of a service is work, too.
	t.becomeBusy()
	look := time.NewTimer(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-stopping:
			return
		case <-collected:
			if t.collected(time.Now()) {
				look.Reset(lookEvery)
			}
		case <-look.C:
			if next := t.look(); next > 0 {
				look.Reset(next)
			}
		}
	}
}

// heap is the runtime's, as the tuner needs it.
type heap interface {
	// live is the number of bytes that the last collection has left.
	live() uint64
	// allocated is the number of bytes that have been allocated since the start.
	allocated() uint64
	// setPercent sets GOGC, and returns what it was.
	setPercent(percent int) int
	// release collects, and gives the operating system all memory that is free or that it can
	// read again from the program's file.
	release()
}

// tuner decides. It is for one goroutine.
type tuner struct {
	heap    heap
	garbage uint64

	busy bool
	// percent is the GOGC while busy.
	percent uint64
	// last is when the last collection was.
	last time.Time
	// seen is what had been allocated at the last look.
	seen uint64
}

// collected tells that there was a collection. It reports whether the process has become busy by
// that, and is to be looked at from now on.
func (t *tuner) collected(now time.Time) bool {
	since := now.Sub(t.last)
	t.last = now
	if t.busy {
		t.adjust()
		return false
	}
	if since >= rush {
		return false
	}
	t.becomeBusy()
	return true
}

func (t *tuner) becomeBusy() {
	t.busy, t.percent, t.seen = true, restPercent, t.heap.allocated()
	t.adjust()
}

// adjust has garbage gather, whatever the live heap is: GOGC is a share of it. A change by some
// percent is not worth it, because it stops all goroutines for a moment.
func (t *tuner) adjust() {
	live := max(t.heap.live(), 1<<20)
	percent := max(t.garbage*100/live, 100)
	if difference := max(percent, t.percent) - min(percent, t.percent); difference > t.percent/8 {
		t.percent = percent
		t.heap.setPercent(int(percent)) //nolint:gosec // at most garbage/10,000
	}
}

// look returns when the process is to be looked at again; 0 is never.
func (t *tuner) look() time.Duration {
	if !t.busy { // it has been quiet since the last look
		t.heap.release()
		return 0
	}
	allocated := t.heap.allocated()
	quiet := allocated-t.seen <= quietBytes
	t.seen = allocated
	if !quiet {
		return lookEvery
	}
	t.busy = false
	t.heap.setPercent(restPercent)
	t.heap.release()
	return idleAfter
}

// watcher is told of collections by having a finalizer: it is garbage, and each collection finds
// it anew.
type watcher struct {
	tell  chan<- struct{}
	ended chan struct{}
}

func watchCollections(tell chan<- struct{}) *watcher {
	w := &watcher{tell: tell, ended: make(chan struct{})}
	runtime.SetFinalizer(&watcher{tell: w.tell, ended: w.ended}, (*watcher).found)
	return w
}

func (w *watcher) found() {
	select {
	case <-w.ended:
		return
	default:
	}
	runtime.SetFinalizer(w, (*watcher).found) // first: who is told may collect at once
	select {
	case w.tell <- struct{}{}:
	default: // it has not heard of the last one
	}
}

func (w *watcher) end() { close(w.ended) }
