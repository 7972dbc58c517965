package leasing

import (
	"time"

	"go.opentelemetry.io/otel/trace"

	"carousel.internal/proto/rpcerr"
)

// Demand asks for leases.
type Demand struct {
	Upstream string
	Model    string
	Count    int
	Ahead    bool
	// Uncapped asks for tokens without a cap only.
	Uncapped bool
	// Alias asks for one token; empty: any.
	Alias string
	// TokenID does the same by its id. Not with an alias.
	TokenID string
	// Affinity is the key of which demands are served by one token, as long as it is well
	// and has not many more than the others; empty: by any.
	Affinity string
	Exclude  []string
	// Since is when it began to wait, perhaps with another desk; zero: now.
	Since time.Time
	// Until is when waiting ends; zero: don't wait.
	Until time.Time
	// Span is that of the request's trace which the answer belongs to; nil: it is not traced.
	Span trace.Span
}

// Lease is a granted one, with what it carries of its token.
type Lease struct {
	Taken
	TTL time.Duration
	Credential
}

// Answer is what becomes of a demand: leases, or why not.
type Answer struct {
	Leases  []Lease
	Refused *rpcerr.Error
	// Shortage explains a refusal for want of tokens.
	Shortage Shortage
	// PartAway: it is refused because the pool can't be reached, while others can.
	PartAway bool
}

// Reply takes the answer to a demand. It must not block; it returns false when
// nobody can use the leases any more.
type Reply func(Answer) bool
