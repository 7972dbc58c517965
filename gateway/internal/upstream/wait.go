package upstream

import (
	"strings"
	"time"

	"carousel.internal/gateway/internal/ondemand"
)

// maxWait bounds what is believed of an upstream's words.
const maxWait = 24 * time.Hour

var (
	// waitWords are as OpenAI has them, `Please try again in 6m0.5s.`, and the like.
	waitWords = ondemand.Regexp(`(?i)(?:again|resets?|retry) (?:in|after) ((?:\d+(?:\.\d+)?(?:ms|[hms]))+)\b`)
	// cycleWords are as Cursor has them: `Your usage limits will reset when your
	// monthly cycle ends on 10/7/2026.` The month comes first.
	cycleWords = ondemand.Regexp(`(?i)reset\b.* on (\d{1,2}/\d{1,2}/\d{4})\b`)
)

// WaitInWords finds how long an upstream asks to wait in what it says to people; 0:
// it does not say. An error inside a stream has no headers that could.
func WaitInWords(text string, now time.Time) time.Duration {
	if found := waitWords.Get().FindStringSubmatch(text); found != nil {
		if wait, err := time.ParseDuration(strings.ToLower(found[1])); err == nil {
			return min(wait, maxWait)
		}
	}
	if found := cycleWords.Get().FindStringSubmatch(text); found != nil {
		if day, err := time.Parse("1/2/2006", found[1]); err == nil {
			return min(max(day.Sub(now), 0), maxWait)
		}
	}
	return 0
}
