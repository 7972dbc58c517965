package logindex

import (
	"testing"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A request is found by its own id, whatever its API puts before it in the answer's.
func TestRequestIDs(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"chatcmpl-0a1b": true, "msg_0a1b": true, "0a1b": true, "chatcmpl-0a1b-2": false, "msg_00a1b": false, "msg0a1b": false,
	} {
		if got := requestID(id) == "0a1b"; got != want {
			t.Errorf("%s: %t", id, got)
		}
		if got := (Filter{RequestID: "0a1b"}).Match(&tokenstorev1.LogEntry{Id: id}); got != want {
			t.Errorf("%s: it matches: %t", id, got)
		}
	}
}
