package upstreamtest

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pieces is an answer with everything that text may hold.
var pieces = []string{
	"Hello", ", ", "世", "界! ", "👩‍👩‍👧‍👦", " e\u0301 ", "\r\n\n", "data: [DONE]\n\n", "\x00\x01\x06\x12\x1f", "\"\\/", " end",
}

var whole = strings.Join(pieces, "")

// stream is the bytes of a complete answer.
func (w Wire) stream(pieces ...string) []byte {
	var all []byte
	for _, piece := range pieces {
		all = append(all, w.Text(piece)...)
	}
	return append(all, w.End...)
}

func testText(t *testing.T, harness Harness) {
	wire := harness.Wire

	t.Run("one write per event", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) {
			x.begin()
			for _, piece := range pieces {
				x.send(wire.Silent)
				x.send(wire.Text(piece))
			}
			x.send(wire.End)
		})
		wantText(t, s.driver(t, harness, nil), newCall("hi"), whole)
	})

	t.Run("one write for all", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) {
			x.begin()
			x.send(slices.Concat(wire.Silent, wire.stream(pieces...)))
		})
		wantText(t, s.driver(t, harness, nil), newCall("hi"), whole)
	})

	t.Run("one write per byte", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) {
			x.begin()
			for _, b := range wire.stream(pieces...) {
				x.send([]byte{b})
			}
		})
		wantText(t, s.driver(t, harness, nil), newCall("hi"), whole)
	})

	t.Run("split at every byte", func(t *testing.T) {
		t.Parallel()
		all := wire.stream("Hé", "世👩‍👧", "\r\n\n", ".")
		s := serve(t, wire, func(x *exchange) {
			at := x.marker()
			x.begin()
			x.send(all[:at])
			x.send(all[at:])
		})
		driver := s.driver(t, harness, nil)
		for at := range all {
			wantText(t, driver, newCall(markerOf(at)), "Hé世👩‍👧\r\n\n.")
		}
	})

	t.Run("a long event", func(t *testing.T) {
		t.Parallel()
		long := strings.Repeat("0123456789abcdé\n", 1<<16)
		s := serve(t, wire, func(x *exchange) {
			x.begin()
			x.send(wire.stream(long))
		})
		wantText(t, s.driver(t, harness, nil), newCall("hi"), long)
	})

	t.Run("more is said only of what has arrived", func(t *testing.T) {
		t.Parallel()
		seen := make(chan struct{})
		s := serve(t, wire, func(x *exchange) {
			x.begin()
			x.send(slices.Concat(wire.Text("a"), wire.Silent))
			select {
			case <-seen:
				x.send(wire.stream("b"))
			case <-x.r.Context().Done():
			}
		})
		first := true
		for event, err := range s.driver(t, harness, nil).Chat(t.Context(), newCall("hi")) {
			if err != nil {
				t.Fatal(err)
			}
			if first && event.Text == "a" {
				first = false
				if event.More {
					t.Error("More is set, but the next event has not been sent")
				}
				close(seen)
			}
		}
		if first {
			t.Error("no event with the first text")
		}
	})

	if wire.Whole == nil {
		return
	}
	t.Run("not streamed", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) { x.answer(wire.Whole(whole)) })
		call := newCall("hi")
		call.Request.Stream = false
		wantText(t, s.driver(t, harness, nil), call, whole)
	})
}

const markerPrefix = "suite-marker-"

// markerOf is a prompt that tells the server a number.
func markerOf(n int) string { return fmt.Sprintf("%s%d.", markerPrefix, n) }

// marker finds the prompt's number in the request, whatever its notation.
func (x *exchange) marker() int {
	_, rest, _ := bytes.Cut(x.body, []byte(markerPrefix))
	digits, _, _ := bytes.Cut(rest, []byte("."))
	n, err := strconv.Atoi(string(digits))
	if err != nil {
		x.t.Errorf("the request does not hold the prompt: %q", x.body)
	}
	return n
}
