package grpcapi

import (
	"math/rand/v2"
	"time"
)

const (
	// streamAge is how long a session or a watch goes on, give or take a quarter. Then it
	// ends in good order, and its gateway opens another one: so they spread over all
	// tokenstores again when one has come back.
	streamAge = time.Minute
	// connectionAge is how long connections are used for new calls, for where a single
	// address stands for several tokenstores; gRPC adds a jitter of a tenth. For another
	// connectionGrace the calls that are open go on: streams end by themselves meanwhile,
	// and unary calls before their longest timeout.
	connectionAge   = 5 * time.Minute
	connectionGrace = 2*streamAge + longestTimeout
)

// newAge has a value when a stream has come of age. Streams of one age do not all end
// at a time.
func newAge() *time.Timer {
	return time.NewTimer(streamAge*3/4 + rand.N(streamAge/2)) //nolint:gosec // jitter needs no secrecy
}
