package anthropic

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"carousel.internal/gateway/internal/dialect"
)

// Limits are told as the vendor tells its own.
func TestTellLimit(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 500, time.FixedZone("", 3600))
	for name, c := range map[string]struct {
		limit dialect.RateLimit
		want  map[string]string
	}{
		"known": {
			dialect.RateLimit{Unit: "requests", Limit: 60, Known: true, Left: 7, Reset: now.Add(30 * time.Second)},
			map[string]string{"Anthropic-Ratelimit-Requests-Limit": "60", "Anthropic-Ratelimit-Requests-Remaining": "7", "Anthropic-Ratelimit-Requests-Reset": "2026-11-28T11:00:30Z"},
		},
		"nothing used": {
			dialect.RateLimit{Unit: "tokens", Limit: 60, Known: true, Left: 60},
			map[string]string{"Anthropic-Ratelimit-Tokens-Limit": "60", "Anthropic-Ratelimit-Tokens-Remaining": "60", "Anthropic-Ratelimit-Tokens-Reset": "2026-11-28T11:00:00Z"},
		},
		"not known": {dialect.RateLimit{Unit: "tokens", Limit: 60}, map[string]string{"Anthropic-Ratelimit-Tokens-Limit": "60"}},
	} {
		header, got := http.Header{}, map[string]string{}
		API{}.TellLimit(header, c.limit, now)
		for name := range header {
			got[name] = header.Get(name)
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
