package anthropic

import (
	"net/http"
	"strconv"
	"time"

	"carousel.internal/gateway/internal/dialect"
)

// TellLimit implements dialect.LimitTeller.
func (API) TellLimit(header http.Header, limit dialect.RateLimit, now time.Time) {
	name := "Anthropic-Ratelimit-" + limit.Unit
	header.Set(name+"-Limit", strconv.FormatUint(limit.Limit, 10))
	if !limit.Known {
		return
	}
	header.Set(name+"-Remaining", strconv.FormatUint(limit.Left, 10))
	reset := limit.Reset
	if reset.Before(now) {
		reset = now
	}
	header.Set(name+"-Reset", reset.UTC().Format(time.RFC3339))
}
