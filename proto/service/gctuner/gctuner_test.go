package gctuner

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// state is what a fake heap has been told, and what it tells.
type state struct {
	live, allocated         uint64
	percent, sets, releases int
}

type fakeHeap struct {
	mu sync.Mutex
	state
}

func (h *fakeHeap) change(to func(*state)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	to(&h.state)
}

func (h *fakeHeap) now() state {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state
}

func (h *fakeHeap) live() uint64      { return h.now().live }
func (h *fakeHeap) allocated() uint64 { return h.now().allocated }
func (h *fakeHeap) release()          { h.change(func(s *state) { s.releases++ }) }

func (h *fakeHeap) setPercent(percent int) int {
	before := h.now().percent
	h.change(func(s *state) {
		s.percent = percent
		s.sets++
	})
	return before
}

const mib = 1 << 20

// simulate runs a tuner on a heap with 4 MiB alive, with a clock of its own. 32 MiB of garbage
// may gather.
func simulate(t *testing.T, body func(heap *fakeHeap, collect func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		heap := &fakeHeap{state: state{live: 4 * mib, percent: 100}}
		collected, stopping := make(chan struct{}, 1), make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			run(&tuner{heap: heap, garbage: 32 * mib}, collected, stopping)
		}()
		synctest.Wait()
		body(heap, func() {
			collected <- struct{}{}
			synctest.Wait()
		})
		close(stopping)
		<-done
		if heap.now().percent != 100 {
			t.Errorf("GOGC is %d in the end, and was 100 before", heap.now().percent)
		}
	})
}

func pass(d time.Duration) {
	time.Sleep(d) // the bubble's clock
	synctest.Wait()
}

func TestTheStartIsWorkAndThenItIsQuiet(t *testing.T) {
	simulate(t, func(heap *fakeHeap, _ func()) {
		if heap.now().percent != 800 || heap.now().releases != 0 {
			t.Errorf("at the start: GOGC %d, %d releases", heap.now().percent, heap.now().releases)
		}
		pass(lookEvery)
		if heap.now().percent != restPercent || heap.now().releases != 1 {
			t.Errorf("when nothing happens: GOGC %d, %d releases", heap.now().percent, heap.now().releases)
		}
		sets := heap.now().sets
		pass(idleAfter)
		if heap.now().releases != 2 {
			t.Errorf("when connections have been idle for long: %d releases", heap.now().releases)
		}
		pass(time.Hour)
		if heap.now().releases != 2 || heap.now().sets != sets {
			t.Errorf("an hour later: %d releases, GOGC set %d times more", heap.now().releases, heap.now().sets-sets)
		}
	})
}

func TestSeldomCollectionsAreNoLoad(t *testing.T) {
	simulate(t, func(heap *fakeHeap, collect func()) {
		pass(lookEvery)
		for range 10 {
			pass(rush)
			collect()
		}
		if heap.now().percent != restPercent || heap.now().releases != 1 {
			t.Errorf("GOGC %d, %d releases", heap.now().percent, heap.now().releases)
		}
	})
}

func TestNothingIsReleasedLateUnderNewLoad(t *testing.T) {
	simulate(t, func(heap *fakeHeap, collect func()) {
		pass(lookEvery)
		collect()
		pass(rush / 2)
		collect() // busy again
		for range 200 {
			heap.change(func(s *state) { s.allocated += 10 * mib })
			pass(time.Second)
		}
		if heap.now().releases != 1 || heap.now().percent != 800 {
			t.Errorf("%d releases, GOGC %d", heap.now().releases, heap.now().percent)
		}
	})
}

func TestLoad(t *testing.T) {
	simulate(t, func(heap *fakeHeap, collect func()) {
		pass(lookEvery + rush)
		collect()
		pass(rush / 2)
		collect()
		if heap.now().percent != 800 {
			t.Fatalf("GOGC %d after two collections in half a second", heap.now().percent)
		}
		for range 100 { // it goes on
			heap.change(func(s *state) { s.allocated += 10 * mib })
			pass(time.Second)
		}
		if heap.now().percent != 800 || heap.now().releases != 1 {
			t.Fatalf("GOGC %d, %d releases under load", heap.now().percent, heap.now().releases)
		}
		pass(2 * lookEvery)
		if heap.now().percent != restPercent || heap.now().releases != 2 {
			t.Errorf("GOGC %d, %d releases after the load", heap.now().percent, heap.now().releases)
		}
	})
}

func TestGarbageGathersWhateverIsLive(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 3200, 1 * mib: 3200, 8 * mib: 400, 16 * mib: 200, 32 * mib: 100, 1000 * mib: 100,
	} {
		simulate(t, func(heap *fakeHeap, collect func()) {
			heap.change(func(s *state) { s.live = live })
			collect()
			if heap.now().percent != want {
				t.Errorf("%d bytes are live: GOGC %d, want %d", live, heap.now().percent, want)
			}
			sets := heap.now().sets
			heap.change(func(s *state) { s.live += live / 16 })
			collect()
			if heap.now().sets != sets {
				t.Errorf("%d bytes and a little more: GOGC is set again", live)
			}
		})
	}
}

func TestTheEndLeavesTheCollectorAsItWas(t *testing.T) {
	if os.Getenv("GOGC") != "" {
		t.Skip("GOGC is set")
	}
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	stop := Start(64 * mib)
	stop()
	if percent := debug.SetGCPercent(100); percent != 100 {
		t.Errorf("GOGC is %d when it is stopped", percent)
	}
}

func TestEachCollectionIsTold(t *testing.T) {
	tell := make(chan struct{}, 1)
	watch := watchCollections(tell)
	defer watch.end()
	for range 3 {
		runtime.GC()
		<-tell // told by the finalizers' goroutine
	}
}

func TestTheOperatorsWordHolds(t *testing.T) {
	t.Setenv("GOGC", "70")
	before := debug.SetGCPercent(70)
	defer debug.SetGCPercent(before)
	stop := Start(64 * mib)
	defer stop()
	if percent := debug.SetGCPercent(70); percent != 70 {
		t.Errorf("GOGC is %d, want 70", percent)
	}
}

func TestRelease(t *testing.T) {
	held := make([]byte, 64*mib)
	for i := range held {
		held[i] = 1
	}
	runtime.KeepAlive(held)
	before := read("/memory/classes/heap/released:bytes")
	goHeap{}.release()
	if after := read("/memory/classes/heap/released:bytes"); after < before+60*mib {
		t.Errorf("%d bytes were given back, want 64 MiB", after-before)
	}
}
