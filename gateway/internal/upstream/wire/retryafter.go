package wire

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// RetryAfter is how long an answer's Retry-After-Ms or Retry-After asks to wait, between 0
// and most; false: neither says it.
func RetryAfter(header http.Header, most time.Duration, now time.Time) (wait time.Duration, told bool) {
	if wait, told := number(header.Get("Retry-After-Ms"), time.Millisecond, most); told {
		return wait, true
	}
	after := header.Get("Retry-After")
	if wait, told := number(after, time.Second, most); told {
		return wait, true
	}
	date, err := http.ParseTime(after)
	if err != nil {
		return 0, false
	}
	return min(max(date.Sub(now), 0), most), true
}

// number reads so many units; false: the text is no number.
func number(text string, unit, most time.Duration) (time.Duration, bool) {
	value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || value != value {
		return 0, false
	}
	return time.Duration(min(max(value, 0), float64(most/unit)) * float64(unit)), true
}
