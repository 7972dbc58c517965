package upstreamtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"carousel.internal/gateway/internal/upstream"
)

// A timeout is always Broken: the upstream was reached and does not go on. One
// that the case is about is short, the other can't be what ended the call.
var (
	shortFirst = map[string]string{"first_byte_timeout": "150ms", "idle_timeout": "1m"}
	shortIdle  = map[string]string{"first_byte_timeout": "1m", "idle_timeout": "150ms"}
)

func testTimeouts(t *testing.T, harness Harness) {
	wire := harness.Wire
	for _, test := range []struct {
		name     string
		settings map[string]string
		script   func(*exchange)
		text     string
	}{
		{"no headers", shortFirst, func(x *exchange) { x.gone() }, ""},
		{"no event", shortFirst, func(x *exchange) { x.begin(); x.gone() }, ""},
		{"half an event", shortFirst, func(x *exchange) { x.begin(); x.send(wire.Text("Hello")[:3]); x.gone() }, ""},
		{"only keep-alives", shortFirst, func(x *exchange) { x.begin(); x.murmur() }, ""},
		{"idle", shortIdle, func(x *exchange) { x.begin(); x.send(wire.Text("Hello")); x.gone() }, "Hello"},
		{"idle with keep-alives", shortIdle, func(x *exchange) { x.begin(); x.send(wire.Text("Hello")); x.murmur() }, "Hello"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, wire, test.script)
			wantFailure(t, s.driver(t, harness, test.settings), newCall("hi"), test.text, upstream.Broken)
		})
	}

	t.Run("slow but alive", func(t *testing.T) {
		t.Parallel()
		// A machine that stops for longer than the idle timeout shows nothing: then all is tried again,
		// and more slowly.
		for pause := 40 * time.Millisecond; ; pause *= 2 {
			got, err := collect(t.Context(), slowly(t, harness, pause), newCall("hi"))
			switch {
			case err != nil || got.failure == nil && got.text != "xxxxxxxxxxxx":
				t.Fatalf("text %q, %v", got.text, err)
			case got.failure == nil:
				return
			case pause > time.Second:
				t.Fatalf("failed: %v", got.failure)
			}
		}
	})

	t.Run("the caller's deadline", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) { x.begin(); x.send(wire.Text("Hello")); x.gone() })
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		got, err := collect(ctx, s.driver(t, harness, nil), newCall("hi"))
		switch {
		case err != nil:
			t.Error(err)
		case got.failure == nil:
			t.Error("ended well")
		case !errors.Is(got.failure, context.DeadlineExceeded):
			t.Errorf("not a deadline: %v", got.failure)
		}
	})
}

// slowly is a driver for an upstream whose answer takes longer than the idle timeout, and no event
// of it nearly as long.
func slowly(t *testing.T, harness Harness, pause time.Duration) upstream.Driver {
	t.Helper()
	wire := harness.Wire
	s := serve(t, wire, func(x *exchange) {
		tick := time.NewTicker(pause)
		defer tick.Stop()
		x.begin()
		for range 12 {
			<-tick.C
			x.send(wire.Text("x"))
		}
		x.send(wire.End)
	})
	return s.driver(t, harness, map[string]string{"first_byte_timeout": "1m", "idle_timeout": (10 * pause).String()})
}

// murmur sends keep-alives until the driver hangs up.
func (x *exchange) murmur() {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-x.r.Context().Done():
			return
		case <-tick.C:
			x.send(x.wire.Silent)
		}
	}
}
