package sse_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/sse"
)

// Before the first event a stream is only a promise: given up in time, the response is
// whatever its handler likes. A heartbeat makes it a stream.
func TestGiveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const heartbeat = 15 * time.Second
		for _, test := range []struct {
			name  string
			begin func(stream *sse.Writer)
			want  bool
			body  string
		}{
			{"at once", func(*sse.Writer) {}, true, ""},
			{"just before the heartbeat", func(*sse.Writer) { time.Sleep(heartbeat - 1) }, true, ""},
			{"after the heartbeat", func(*sse.Writer) { time.Sleep(heartbeat + 1) }, false, ": still here\n"},
			{"after an event", func(s *sse.Writer) { _ = s.Data([]byte("x"), false) }, false, "data: x\n\n"},
			{"with an event held back", func(s *sse.Writer) { _ = s.Data([]byte("x"), true) }, false, "data: x\n\n"},
		} {
			w := httptest.NewRecorder()
			stream := sse.Start(w, sse.Options{Heartbeat: heartbeat})
			test.begin(stream)
			stream.SetHeader("X-Late", "yes")
			given := stream.GiveUp()
			time.Sleep(2 * heartbeat)
			_ = stream.Close()
			if given != test.want {
				t.Errorf("%s: %t", test.name, given)
			}
			if given {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			if isStream := w.Header().Get("Content-Type") == sse.ContentType; isStream == given || (w.Code == http.StatusOK) == given {
				t.Errorf("%s: %d %v", test.name, w.Code, w.Header())
			}
			if got := w.Body.String(); given && got != "" || !given && got[:min(len(got), len(test.body))] != test.body {
				t.Errorf("%s: %q", test.name, got)
			}
			if late := w.Header().Get("X-Late") == "yes"; late == (test.name == "after the heartbeat" || test.name == "after an event") {
				t.Errorf("%s: the header is there: %t", test.name, late)
			}
		}
	})
}
