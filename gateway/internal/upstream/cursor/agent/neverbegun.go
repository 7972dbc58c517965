package agent

import (
	"strings"

	"carousel.internal/gateway/internal/upstream/redial"
)

// neverBegun tells whether a request without an answer has certainly not been worked on. Nobody
// is to blame for a pooled connection that turns out to be dead, and the run goes out again, but
// not as the same: no upstream is to see a run's ids twice, so that this is not left to who makes
// the connections.
func neverBegun(attempt *redial.Attempt, err error) bool {
	return !attempt.Answered() && isTurnedAway(err) || attempt.MetDead(err)
}

// isTurnedAway tells whether the server says that it has not begun: it is shutting down, or
// takes no more at a time.
func isTurnedAway(err error) bool {
	text := err.Error() // net/http exports neither
	return strings.Contains(text, "graceful shutdown GOAWAY") || strings.Contains(text, "REFUSED_STREAM")
}
