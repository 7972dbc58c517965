package sse_test

import (
	"bufio"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"carousel.internal/gateway/internal/sse"
)

// Some clients take each empty line for the end of an event and read its data as JSON,
// also when there is none. A heartbeat does them no harm.
func TestHeartbeatsAreNoEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		stream := sse.Start(w, sse.Options{Heartbeat: 15 * time.Second})
		time.Sleep(time.Minute)
		_ = stream.Data([]byte(`{"n":1}`), false)
		time.Sleep(time.Minute)
		_ = stream.Data([]byte(`{"n":2}`), false)
		_ = stream.Close()
		if strings.Count(w.Body.String(), ": ") < 6 {
			t.Fatalf("no heartbeats in %q", w.Body)
		}
		events, data := 0, ""
		for lines := bufio.NewScanner(w.Body); lines.Scan(); {
			if payload, is := strings.CutPrefix(lines.Text(), "data: "); is {
				data += payload
			}
			if lines.Text() != "" {
				continue
			}
			if events++; !json.Valid([]byte(data)) {
				t.Errorf("event %d has the data %q", events, data)
			}
			data = ""
		}
		if events != 2 {
			t.Errorf("%d events", events)
		}
	})
}
