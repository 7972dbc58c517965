package grpcapi

import (
	"math/rand/v2"
	"time"
)

// Age is how long a connection is used for new calls; gRPC adds a jitter of a tenth. Then its
// gateway makes another one, perhaps to another tokenstore, with the certificates that there
// are by then. So load spreads again when a tokenstore has come back, also where a single
// address stands for several.
type Age time.Duration

// stream is how long a session or a watch goes on, give or take a quarter. Then it ends in
// good order, and its gateway opens another one.
func (a Age) stream() time.Duration { return time.Duration(a) / 5 }

// grace is how much longer the calls that are open on a connection go on: streams end by
// themselves meanwhile, and unary calls before their longest timeout.
func (a Age) grace() time.Duration { return 2*a.stream() + longestTimeout }

// timer has a value when a stream has come of age. Streams of one age do not all end at a
// time.
func (a Age) timer() *time.Timer {
	return time.NewTimer(a.stream()*3/4 + rand.N(a.stream()/2)) //nolint:gosec // jitter needs no secrecy
}
