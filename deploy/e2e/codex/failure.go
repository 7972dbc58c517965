package codex

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Remedy is what the client does about a failure.
type Remedy string

// The remedies.
const (
	// Final: the turn is over, and the user is told.
	Final Remedy = "final"
	// Again: the request is sent again, after a wait.
	Again Remedy = "again"
)

// Failure is why a request has no answer.
type Failure struct {
	Remedy Remedy
	// Status is that of an answer that is no stream; 0: the stream says it, or there is none.
	Status int
	// Code is the error's own, where it has one.
	Code, Message string
	// Wait is what the stream asks to wait; 0: as long as usual.
	Wait time.Duration
}

func (f *Failure) Error() string {
	return fmt.Sprintf("%s (status %d, code %q): %s", f.Remedy, f.Status, f.Code, f.Message)
}

func broken(format string, values ...any) *Failure {
	return &Failure{Remedy: Again, Message: fmt.Sprintf(format, values...)}
}

// finalCodes are those of response.failed that end the turn.
var finalCodes = map[string]bool{
	"context_length_exceeded": true, "insufficient_quota": true, "usage_not_included": true, "cyber_policy": true,
	"invalid_prompt": true, "bio_policy": true, "server_is_overloaded": true, "slow_down": true,
}

// failedResponse is what response.failed says.
func failedResponse(code, message string) *Failure {
	failure := &Failure{Remedy: Again, Code: code, Message: message}
	switch {
	case finalCodes[code]:
		failure.Remedy = Final
	case code == "rate_limit_exceeded":
		failure.Wait = askedWait(message)
	}
	return failure
}

var tryAgain = regexp.MustCompile(`(?i)try again in\s*(\d+(?:\.\d+)?)\s*(ms|s|seconds?)`)

// askedWait reads "try again in 1.5s", or in ms; 0: nothing is asked.
func askedWait(message string) time.Duration {
	found := tryAgain.FindStringSubmatch(message)
	if found == nil {
		return 0
	}
	count, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		return 0
	}
	unit := time.Second
	if strings.EqualFold(found[2], "ms") {
		unit = time.Millisecond
	}
	return time.Duration(count * float64(unit))
}
