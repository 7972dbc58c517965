package upstreamtest

import (
	"context"
	"slices"
	"testing"
	"time"

	"carousel.internal/gateway/internal/upstream"
)

func testHangingUp(t *testing.T, harness Harness) {
	wire := harness.Wire

	t.Run("before the answer", func(t *testing.T) {
		t.Parallel()
		asked, noticed := make(chan struct{}), make(chan struct{})
		s := serve(t, wire, func(x *exchange) {
			close(asked)
			x.gone()
			close(noticed)
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-asked
			cancel()
		}()
		wantClientGone(ctx, t, s.driver(t, harness, nil), "")
		await(t, noticed, "the server does not notice the cancellation")
	})

	t.Run("in the middle", func(t *testing.T) {
		t.Parallel()
		noticed := make(chan struct{})
		s := serve(t, wire, func(x *exchange) {
			x.begin()
			x.send(wire.Text("Hello"))
			x.gone()
			close(noticed)
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var failures int
		for event, err := range s.driver(t, harness, nil).Chat(ctx, newCall("hi")) {
			if err == nil && event.Text != "" {
				cancel()
			}
			if err == nil {
				continue
			}
			failures++
			if failure, bad := checkFailure(err); bad != nil || failure.Class != upstream.ClientGone {
				t.Errorf("not ClientGone: %v", err)
			}
		}
		if failures != 1 {
			t.Errorf("%d errors", failures)
		}
		await(t, noticed, "the server does not notice the cancellation")
	})

	t.Run("before the request", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) { x.begin(); x.send(wire.stream("Hello")) })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantClientGone(ctx, t, s.driver(t, harness, nil), "")
	})

	t.Run("by leaving the loop", func(t *testing.T) {
		t.Parallel()
		noticed := make(chan struct{})
		s := serve(t, wire, func(x *exchange) {
			x.begin()
			x.send(wire.Text("Hello"))
			x.gone()
			close(noticed)
		})
		for _, err := range s.driver(t, harness, nil).Chat(t.Context(), newCall("hi")) {
			if err != nil {
				t.Error(err)
			}
			break
		}
		await(t, noticed, "the server does not notice that the loop was left")
	})

	t.Run("while events wait", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) {
			x.begin()
			x.send(slices.Concat(wire.Text("Hello"), wire.stream(" world")))
		})
		driver := s.driver(t, harness, nil)
		for range 10 {
			for _, err := range driver.Chat(t.Context(), newCall("hi")) {
				if err != nil {
					t.Error(err)
				}
				break
			}
		}
	})
}

func wantClientGone(ctx context.Context, t *testing.T, driver upstream.Driver, text string) {
	t.Helper()
	got, err := collect(ctx, driver, newCall("hi"))
	switch {
	case err != nil:
		t.Error(err)
	case got.failure == nil || got.failure.Class != upstream.ClientGone:
		t.Errorf("not ClientGone: %v", got.failure)
	case got.text != text:
		t.Errorf("text %q", got.text)
	}
}

func await(t *testing.T, done <-chan struct{}, complaint string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal(complaint)
	}
}
