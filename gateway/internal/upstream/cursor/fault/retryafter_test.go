package fault

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "-5": 0, "soon": 0, "30": 30 * time.Second, "999999999": maxRetryAfter, "99999999999999999999": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
	began := time.Now()
	at := began.Add(time.Hour).UTC().Format(http.TimeFormat) // in seconds that are whole
	if got := retryAfter(http.Header{"Retry-After": {at}}); got < time.Hour-time.Since(began)-time.Second || got > time.Hour {
		t.Errorf("%q: %s", at, got)
	}
}
