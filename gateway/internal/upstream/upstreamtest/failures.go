package upstreamtest

import (
	"strings"
	"testing"

	"carousel.internal/gateway/internal/upstream"
)

func testFailures(t *testing.T, harness Harness) {
	wire := harness.Wire
	// No driver may pass any of it on, except the words.
	hostile := "refused, said the suite: " + key + " <b>bold</b>\x07\n" + strings.Repeat("é", 1000)
	for _, class := range upstream.Classes() {
		if refusal := wire.Fail(class, hostile); refusal.Status != 0 {
			t.Run("before text/"+string(class), func(t *testing.T) {
				t.Parallel()
				s := serve(t, wire, func(x *exchange) { x.answer(refusal) })
				wantFailure(t, s.driver(t, harness, nil), newCall("hi"), "", class)
			})
		}
		if wire.FailLate == nil {
			continue
		}
		if late := wire.FailLate(class, hostile); late != nil {
			t.Run("after text/"+string(class), func(t *testing.T) {
				t.Parallel()
				s := serve(t, wire, func(x *exchange) {
					x.begin()
					x.send(wire.Text("Hello"))
					x.send(late)
				})
				wantFailure(t, s.driver(t, harness, nil), newCall("hi"), "Hello", class)
			})
		}
	}
}
