package news_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/news"
	"carousel.internal/proto/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// board has the versions of parts, and counts who looks.
type board struct {
	mu       sync.Mutex
	versions map[string]string
	err      error
	looks    int
}

func (b *board) read(context.Context) (map[string]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looks++
	return maps.Clone(b.versions), b.err
}

func (b *board) set(part, version string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.versions[part] = version
}

func (b *board) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *board) looked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.looks
}

func newBoard() *board { return &board{versions: map[string]string{"a": "1", "b": "1"}} }

func always() bool { return true }

func listen(t *testing.T, desk *news.Desk, owner string) *news.Listener {
	t.Helper()
	listener, err := desk.Listen(owner, always)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// hears checks what a listener is told next.
func hears(t *testing.T, listener *news.Listener, want ...string) {
	t.Helper()
	if changed, ok := listener.Next(t.Context()); !ok || !slices.Equal(changed, want) {
		t.Errorf("told %q, %t; want %q", changed, ok, want)
	}
}

func isOver(t *testing.T, listener *news.Listener) {
	t.Helper()
	for range 2 { // there may be a last word
		if _, ok := listener.Next(t.Context()); !ok {
			return
		}
	}
	t.Error("it is not over")
}

func TestListenersHearWhatHasChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		board := newBoard()
		desk := news.New(board.read)
		first := listen(t, desk, "one")
		hears(t, first, news.All)
		board.set("b", "2")
		second := listen(t, desk, "two")
		hears(t, first, "b")
		hears(t, second, news.All) // it has only come
		hears(t, first)            // a beat
		hears(t, second)
		board.set("a", "2")
		board.set("b", "3")
		hears(t, first, "a", "b")
		board.fail(errors.New("away"))
		time.Sleep(1500 * time.Millisecond)
		hears(t, second, "a", "b", news.All)
		board.fail(nil)
		time.Sleep(10 * time.Second)
		hears(t, second, news.All, "b", "a")
		hears(t, second)
		board.set("a", "3")
		hears(t, second, "a")
		time.Sleep(4500 * time.Millisecond)
		hears(t, second)
		hears(t, second, "a") // once more, for what comes late
		hears(t, second)
		desk.Close()
		isOver(t, first)
		isOver(t, second)
		if _, err := desk.Listen("three", always); !errors.Is(err, news.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// However many listen, one looks for all of them, once a second; without listeners nobody does.
func TestOneWatcherLooksForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		board := newBoard()
		desk := news.New(board.read)
		time.Sleep(time.Hour)
		if n := board.looked(); n != 0 {
			t.Errorf("nobody listens, and it was looked %d times", n)
		}
		listeners := []*news.Listener{listen(t, desk, "one"), listen(t, desk, "two"), listen(t, desk, "three")}
		time.Sleep(time.Minute - time.Millisecond)
		synctest.Wait()
		if n := board.looked(); n != 60 {
			t.Errorf("looked %d times in a minute", n)
		}
		for _, each := range listeners {
			each.Close()
			each.Close()
		}
		synctest.Wait()
		was := board.looked()
		time.Sleep(time.Hour)
		if n := board.looked(); n != was {
			t.Errorf("nobody listens any more, and it was looked %d times", n-was)
		}
		hears(t, listen(t, desk, "four"), news.All)
		desk.Close()
	})
}

func TestListenersAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		desk := news.New(newBoard().read)
		defer desk.Close()
		var own []*news.Listener
		for range 5 {
			own = append(own, listen(t, desk, "one"))
		}
		isOver(t, own[0])
		hears(t, own[1], news.All)
		var full error
		for i := 0; full == nil && i < 1000; i++ {
			_, full = desk.Listen(time.Duration(i).String(), always)
		}
		if !errors.Is(full, news.ErrFull) {
			t.Errorf("however many listen: %v", full)
		}
		own[1].Close()
		listen(t, desk, "two")
	})
}

// Who may not listen any more, and whose request has ended, hears nothing.
func TestListeningEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		desk := news.New(newBoard().read)
		defer desk.Close()
		until := time.Now().Add(time.Minute)
		listener, err := desk.Listen("one", func() bool { return time.Now().Before(until) })
		if err != nil {
			t.Fatal(err)
		}
		for ok := true; ok; {
			_, ok = listener.Next(t.Context())
		}
		if late := time.Since(until); late < 0 || late > time.Second {
			t.Errorf("it ended %v after its end", late)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		other := listen(t, desk, "two")
		if _, ok := other.Next(ctx); ok {
			t.Error("told after the end of its request")
		}
	})
}
