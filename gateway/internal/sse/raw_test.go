package sse

import (
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// What comes as it is stays so, and heartbeats and events of one's own don't get into its
// lines.
func TestRaw(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		s := Start(w, Options{Heartbeat: time.Second})
		for _, piece := range []string{"data: a", "\ndata: b\r", "\n\r\n", "", "data: c"} {
			if err := s.Raw([]byte(piece)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1100 * time.Millisecond)
		}
		if err := s.Event("error", []byte("x"), false); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		want := "data: a\ndata: b\r\n\r\n" + string(heartbeat) + string(heartbeat) + "data: c\n\nevent: error\ndata: x\n\n"
		if got := w.Body.String(); got != want {
			t.Errorf("%q", got)
		}
	})
}
