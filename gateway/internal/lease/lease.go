// Package lease has the terms in which the gateway asks for tokens and gives
// them back. It does no I/O: the tokens package talks to the store.
package lease

import (
	"time"

	"carousel.internal/gateway/internal/upstream"
)

// Demand is what a request needs a token for.
type Demand struct {
	Upstream string
	Model    string
	// Exclude are the ids of tokens that the request has tried.
	Exclude []string
	// Alias is that of the only token that may serve; empty: any may.
	Alias string
	// TokenID is that of the only token that may serve; empty: any may. Not with an Alias.
	TokenID string
	// Affinity is the key of which demands are served by one token, where that can be;
	// empty: by any.
	Affinity string
	// Fresh wants a lease that the store grants now: the request has told something of other
	// tokens than the one it tried, which those taken ahead don't know yet.
	Fresh bool
	// MaxWait is how long to queue when every eligible token is at its cap.
	MaxWait time.Duration
	// Charge is what the request may use of its key; nil where that has no limits.
	Charge *Charge
}

// Choice is which token a request is to be sent with, as far as its caller chose;
// the zero Choice leaves that to the pool.
type Choice struct {
	// Alias is that of the one token of the pool that may serve.
	Alias string
	// Upstream and TokenID are those of the one token that may serve: what the request goes on with
	// was made with it, or the admin has named it. Either both are set, or none is.
	Upstream, TokenID string
	// Own is a token that the caller brought: the pool is not asked. Nobody stores
	// it.
	Own *upstream.Credential
}

// Source is where a request's lease has come from.
type Source string

// The sources.
const (
	// Asked: the store has granted it for this request.
	Asked Source = "asked"
	// Ahead: it was taken before a request needed it.
	Ahead Source = "ahead"
	// Reserved: the store is away.
	Reserved Source = "reserve"
)

// Lease permits one request with one token. Whoever acquires one settles it.
type Lease struct {
	ID      string
	TokenID string
	// Upstream is where the token is; empty where nobody has told.
	Upstream    string
	Alias       string
	Fingerprint string
	// MaskedSecret is what may be shown of the secret.
	MaskedSecret string
	Credential   upstream.Credential
	// Source is empty where nobody has told.
	Source Source
	// Term is until when the lease holds; nil: it has no end, such as a credential of
	// the caller's own.
	Term *Term
}

// Covers reports whether the lease still permits a request to be sent. Ask right
// before an attempt is sent: in a process that was frozen, or on a machine that slept,
// the store may have given the token's room to somebody else meanwhile. Settle a lease
// that covers no longer with Outcome.Unused, and acquire another.
func (l *Lease) Covers(now time.Time) bool { return l.Term == nil || l.Term.Covers(now) }

// Stands reports whether the lease covers, and its token is as it was granted.
func (l *Lease) Stands(now time.Time) bool {
	return l.Covers(now) && (l.Term == nil || !l.Term.Withdrawn())
}

// Outcome is how a leased request ended.
type Outcome struct {
	// Unused: nothing was sent with the lease. It goes back as if never taken, and the
	// rest of the outcome does not count.
	Unused bool
	// Class is empty for success.
	Class upstream.Class
	Model string
	// ModelOnly: it is about the token with the model, not about the whole token.
	ModelOnly bool
	// Group is the token's at its upstream, as far as the answer told. GroupWide: it is about
	// all tokens of that.
	Group     string
	GroupWide bool
	// RetryAfter is the upstream's hint.
	RetryAfter time.Duration
	// Detail is what the upstream said, redacted, at most 512 bytes.
	Detail    string
	RequestID string
}
