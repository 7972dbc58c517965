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
		s := serve(t, wire, func(x *exchange) {
			tick := time.NewTicker(40 * time.Millisecond)
			defer tick.Stop()
			x.begin()
			for range 12 { // in all, longer than the idle timeout
				<-tick.C
				x.send(wire.Text("x"))
			}
			x.send(wire.End)
		})
		settings := map[string]string{"first_byte_timeout": "1m", "idle_timeout": "400ms"}
		wantText(t, s.driver(t, harness, settings), newCall("hi"), "xxxxxxxxxxxx")
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
