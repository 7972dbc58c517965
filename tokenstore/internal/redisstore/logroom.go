package redisstore

import (
	"sync/atomic"
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// logRoom is what the log may take of a server with a maxmemory, so that a log that fills
// it never stops leases: when the server is nearly full the prompts go, until it is not;
// and when that does not help, nothing is appended, and entries wait at the gateways.
type logRoom struct {
	level atomic.Int32
	// excess are bytes of prompts that the next trim is to take.
	excess atomic.Int64
}

const (
	roomy int32 = iota
	tight
	full

	// calm is the share of maxmemory to which prompts are taken away, and overfull that
	// from which nothing is appended. nearlyFull is between them.
	calm     = 0.8
	overfull = 0.95
)

// look takes in how much memory the log's server uses.
func (r *logRoom) look(used, most int64) {
	level := roomy
	switch {
	case most <= 0:
	case float64(used) >= overfull*float64(most):
		level = full
	case float64(used) >= nearlyFull*float64(most):
		level = tight
	}
	if level > roomy {
		r.excess.Store(used - int64(calm*float64(most)))
	}
	r.level.Store(level)
}

func (r *logRoom) tight() bool { return r.level.Load() >= tight }

// release returns, once, how many bytes of prompts are to go.
func (r *logRoom) release() int64 { return r.excess.Swap(0) }

// acceptsResponses returns why no answer is to be kept; nil when one may be.
func (r *logRoom) acceptsResponses() error {
	if r.level.Load() < full {
		return nil
	}
	return &rpcerr.Error{
		Reason:  tokenstorev1.Reason_REASON_STORE_UNAVAILABLE,
		Message: "Redis is nearly full: what is left of its memory is kept for leases, and no response is", RetryAfter: time.Second,
	}
}

// accepts returns why nothing is to be appended; nil when it may be.
func (r *logRoom) accepts() error {
	if r.level.Load() < full {
		return nil
	}
	return &rpcerr.Error{
		Reason:  tokenstorev1.Reason_REASON_STORE_UNAVAILABLE,
		Message: "Redis is nearly full: what is left of its memory is kept for leases, and log entries wait", RetryAfter: time.Second,
	}
}
