package upstreamtest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"carousel.internal/gateway/internal/upstream"
)

// atOnce is how long a dead connection may take to show it, for a call to be sent once more. A
// machine that stops for that long decides nothing: then the same is tried again.
const atOnce = time.Second

// hangingUpOnReuse is a server that closes each connection at the second request on
// it, as if the connection had timed out just then.
func hangingUpOnReuse(script func(*exchange)) func(*exchange) {
	var seen sync.Map
	return func(x *exchange) {
		if _, again := seen.LoadOrStore(x.r.RemoteAddr, true); again {
			x.abort()
		}
		script(x)
	}
}

func testConnections(t *testing.T, harness Harness) {
	wire := harness.Wire

	t.Run("are used again, and dropped by Close", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) {
			x.begin()
			x.send(wire.Text("Hello"))
			x.send(wire.End)
		})
		driver := s.driver(t, harness, nil)
		for range 5 {
			wantText(t, driver, newCall("hi"), "Hello")
		}
		if opened := s.opened.Load(); opened != 1 {
			t.Errorf("%d connections for 5 calls in a row", opened)
		}
		deadline := time.After(patience)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for s.closed.Load() < s.opened.Load() {
			driver.Close() // over HTTP/2 a connection is idle a moment after its last call has ended
			select {
			case <-deadline:
				t.Fatal("Close leaves idle connections open")
			case <-tick.C:
			}
		}
		wantText(t, driver, newCall("hi"), "Hello") // a closed driver still serves
	})

	t.Run("one that died while it was idle is nobody's fault", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, hangingUpOnReuse(func(x *exchange) {
			x.begin()
			x.send(wire.Text("Hello"))
			x.send(wire.End)
		}))
		driver := s.driver(t, harness, nil)
		for calls := 0; calls < 5; {
			began := time.Now()
			got, err := collect(t.Context(), driver, newCall("hi"))
			switch {
			case err == nil && got.failure != nil && time.Since(began) >= atOnce:
			case err != nil || got.failure != nil || got.text != "Hello":
				t.Fatalf("%q, %v, %v", got.text, got.failure, err)
			default:
				calls++
			}
		}
	})

	t.Run("a request is sent on a new one once", func(t *testing.T) {
		t.Parallel()
		var requests atomic.Int64
		s := serve(t, wire, func(x *exchange) {
			if requests.Add(1) > 1 {
				x.abort()
			}
			x.begin()
			x.send(wire.stream("Hello"))
		})
		driver := s.driver(t, harness, nil)
		for decided := false; !decided; {
			requests.Store(0)
			wantText(t, driver, newCall("hi"), "Hello")
			began := time.Now()
			wantFailure(t, driver, newCall("hi"), "", upstream.Transport)
			n := requests.Load()
			if decided = n != 2 || time.Since(began) < atOnce; decided && n != 3 {
				t.Errorf("%d requests; one, one on a dead connection, and that one again on a new one make 3", n)
			}
		}
		before := requests.Load()
		driver.Close() // the next connection is new from the beginning
		wantFailure(t, driver, newCall("hi"), "", upstream.Transport)
		if n := requests.Load() - before; n != 1 {
			t.Errorf("%d requests: what is lost on a new connection was sent again", n)
		}
	})

	t.Run("one that breaks in the middle of an answer is not tried again", func(t *testing.T) {
		t.Parallel()
		var requests atomic.Int64
		s := serve(t, wire, func(x *exchange) {
			x.begin()
			if requests.Add(1) > 1 {
				x.abort()
			}
			x.send(wire.stream("Hello"))
		})
		driver := s.driver(t, harness, nil)
		wantText(t, driver, newCall("hi"), "Hello")
		wantFailure(t, driver, newCall("hi"), "", upstream.Truncated, upstream.Transport)
		if n := requests.Load(); n != 2 {
			t.Errorf("%d requests", n)
		}
	})

	t.Run("answers are not mixed", func(t *testing.T) {
		t.Parallel()
		const calls = 50
		// Nobody is answered before all have asked.
		var asked sync.WaitGroup
		asked.Add(calls)
		s := serve(t, wire, func(x *exchange) {
			n := x.marker()
			asked.Done()
			asked.Wait()
			x.begin()
			for i := range 20 {
				x.send(wire.Text(fmt.Sprintf("%d:%d ", n, i)))
			}
			x.send(wire.End)
		})
		driver := s.driver(t, harness, nil)
		var wg sync.WaitGroup
		for n := range calls {
			wg.Go(func() {
				var want string
				for i := range 20 {
					want += fmt.Sprintf("%d:%d ", n, i)
				}
				wantText(t, driver, newCall(markerOf(n)), want)
			})
		}
		wg.Wait()
	})

	t.Run("Close leaves running calls alone", func(t *testing.T) {
		t.Parallel()
		closed := make(chan struct{})
		s := serve(t, wire, func(x *exchange) {
			x.begin()
			x.send(wire.Text("Hello"))
			select {
			case <-closed:
				x.send(wire.stream(" world"))
			case <-x.r.Context().Done():
			}
		})
		driver := s.driver(t, harness, nil)
		var text string
		for event, err := range driver.Chat(t.Context(), newCall("hi")) {
			if err != nil {
				t.Fatal(err)
			}
			if text == "" && event.Text != "" {
				driver.Close()
				close(closed)
			}
			text += event.Text
		}
		if text != "Hello world" {
			t.Errorf("text %q", text)
		}
	})

	t.Run("the iteration can begin twice", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) { x.begin(); x.send(wire.stream("Hello")) })
		iteration := s.driver(t, harness, nil).Chat(t.Context(), newCall("hi"))
		for range 2 {
			var text string
			for event, err := range iteration {
				if err != nil {
					t.Fatal(err)
				}
				text += event.Text
			}
			if text != "Hello" {
				t.Errorf("text %q", text)
			}
		}
	})
}
