package dialect_test

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"carousel.internal/gateway/internal/dialect"
)

func TestSetRateLimit(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		limit dialect.RateLimit
		want  map[string]string
	}{
		"known": {
			dialect.RateLimit{Unit: "requests", Limit: 60, Known: true, Left: 7, Reset: now.Add(time.Second)},
			map[string]string{"X-Ratelimit-Limit-Requests": "60", "X-Ratelimit-Remaining-Requests": "7", "X-Ratelimit-Reset-Requests": "1s"},
		},
		"minutes and a part of a second": {
			dialect.RateLimit{Unit: "tokens", Limit: 1_000_000, Known: true, Reset: now.Add(time.Minute + 1234567*time.Microsecond)},
			map[string]string{"X-Ratelimit-Limit-Tokens": "1000000", "X-Ratelimit-Remaining-Tokens": "0", "X-Ratelimit-Reset-Tokens": "1m1.234s"},
		},
		"nothing used": {
			dialect.RateLimit{Unit: "tokens", Limit: 60, Known: true, Left: 60},
			map[string]string{"X-Ratelimit-Limit-Tokens": "60", "X-Ratelimit-Remaining-Tokens": "60", "X-Ratelimit-Reset-Tokens": "0s"},
		},
		"not known": {dialect.RateLimit{Unit: "tokens", Limit: 60}, map[string]string{"X-Ratelimit-Limit-Tokens": "60"}},
	} {
		header, got := http.Header{}, map[string]string{}
		dialect.SetRateLimit(header, c.limit, now)
		for name := range header {
			got[name] = header.Get(name)
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
