package upstreamtest

import (
	"strings"
	"testing"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/freeport"
)

func testBroken(t *testing.T, harness Harness) {
	wire := harness.Wire
	complete := wire.stream("Hello", " world")
	text := len(wire.Text("Hello"))
	for _, test := range []struct {
		name   string
		script func(*exchange)
		text   string
	}{
		{"nothing at all", func(x *exchange) { x.begin() }, ""},
		{"an end without text", func(x *exchange) { x.begin(); x.send(wire.End) }, ""},
		{"no end", func(x *exchange) { x.begin(); x.send(wire.Text("Hello")) }, "Hello"},
		{"cut within an event", func(x *exchange) { x.begin(); x.send(complete[:text+3]) }, "Hello"},
		{"connection lost between events", func(x *exchange) {
			x.begin()
			x.send(wire.Text("Hello"))
			x.abort()
		}, "Hello"},
		{"connection lost within an event", func(x *exchange) {
			x.begin()
			x.send(complete[:text+3])
			x.abort()
		}, "Hello"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, wire, test.script)
			wantFailure(t, s.driver(t, harness, nil), newCall("hi"), test.text, upstream.Truncated)
		})
	}

	t.Run("connection lost before the answer", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) { x.abort() })
		wantFailure(t, s.driver(t, harness, nil), newCall("hi"), "", upstream.Transport)
	})

	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		driver, err := harness.New("http://"+freeport.MustAddr(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer driver.Close()
		wantFailure(t, driver, newCall("hi"), "", upstream.Transport)
	})

	t.Run("a page instead of an answer", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) {
			x.answer(Answer{Status: 200, Header: map[string][]string{"Content-Type": {"text/html"}}, Body: []byte("<html>hello</html>")})
		})
		wantFailure(t, s.driver(t, harness, nil), newCall("hi"), "", upstream.Truncated, upstream.Broken)
	})

	t.Run("a failing proxy in between", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) {
			x.answer(Answer{
				Status: 503, Header: map[string][]string{"Content-Type": {"text/html"}},
				Body: []byte("<html><script>alert(1)</script>" + strings.Repeat("<b>x</b>", 1<<16)),
			})
		})
		wantFailure(t, s.driver(t, harness, nil), newCall("hi"), "", upstream.Broken)
	})

	if wire.Whole == nil {
		return
	}
	t.Run("not streamed and cut", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) {
			answer := wire.Whole("Hello")
			answer.Body = answer.Body[:len(answer.Body)/2]
			x.answer(answer)
		})
		call := newCall("hi")
		call.Request.Stream = false
		wantFailure(t, s.driver(t, harness, nil), call, "", upstream.Truncated)
	})
	t.Run("not streamed and empty", func(t *testing.T) {
		t.Parallel()
		s := serve(t, wire, func(x *exchange) { x.answer(wire.Whole("")) })
		call := newCall("hi")
		call.Request.Stream = false
		wantFailure(t, s.driver(t, harness, nil), call, "", upstream.Truncated)
	})
}
