package openai

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/upstream/wire"
)

// maxRetryAfter bounds what an upstream can make a token rest.
const maxRetryAfter = 24 * time.Hour

// retryAfter is how long the upstream asks to wait; 0 where it doesn't say. With
// limited, what it says of its rate limits counts; it says that in every answer.
func retryAfter(header http.Header, limited bool) time.Duration {
	return min(max(0, askedWait(header, limited)), maxRetryAfter)
}

func askedWait(header http.Header, limited bool) time.Duration {
	if wait, told := wire.RetryAfter(header, maxRetryAfter, time.Now()); told {
		return wait
	}
	if !limited {
		return 0
	}
	return resetOf(header)
}

// resetOf reads when the limit that was hit begins anew; where the upstream does
// not say which one it was, that is the later one.
func resetOf(header http.Header) time.Duration {
	var wait time.Duration
	for _, unit := range []string{"-Requests", "-Tokens", ""} {
		if left := header.Get("X-Ratelimit-Remaining" + unit); left != "" && left != "0" {
			continue
		}
		wait = max(wait, reset(header.Get("X-Ratelimit-Reset"+unit)))
	}
	return wait
}

// reset reads a duration (OpenAI: 6m0s), seconds, or a Unix time in seconds or
// milliseconds (OpenRouter).
func reset(text string) time.Duration {
	text = strings.TrimSpace(text)
	if wait, err := time.ParseDuration(text); err == nil {
		return wait
	}
	value, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || value != value || value < 0 || value > 1e15:
		return 0
	case value > 1e11:
		return time.Until(time.UnixMilli(int64(value)))
	case value > 1e9:
		return time.Until(time.Unix(int64(value), 0))
	default:
		return time.Duration(value * float64(time.Second))
	}
}
