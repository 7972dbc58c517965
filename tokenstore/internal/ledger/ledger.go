// Package ledger says what is kept of a client key's use: amounts, postings to the key's ledger,
// and what becomes of charges; when the periods of limits begin and end; and how a refusal is
// worded. Pure.
package ledger

import (
	"time"

	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// MaxCharges is how many charges a posting may have.
const MaxCharges = 256

// Why a posting is not entered at all.
var (
	// ErrCrowded: the key has as many books as one may have.
	ErrCrowded = &rpcerr.Error{
		Reason: tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, RetryAfter: time.Second, Message: "too many gateways use this key",
	}
	// ErrNoBook: the book has made no statement, or was forgotten since.
	ErrNoBook = &rpcerr.Error{
		Reason: tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, RetryAfter: time.Second, Message: "the gateway has made no statement of this key",
	}
)

// Amounts are amounts of all that a limit can count.
type Amounts struct {
	Requests, Tokens uint64
	// Cost is in pico-dollars.
	Cost uint64
	// AtOnce are requests at a time.
	AtOnce uint64
}

// AmountsOf reads the contract's; nil are none.
func AmountsOf(amounts *tokenstorev1.KeyAmounts) Amounts {
	return Amounts{
		Requests: amounts.GetRequests(), Tokens: amounts.GetTokens(), Cost: amounts.GetCost(), AtOnce: amounts.GetAtOnce(),
	}
}

// Proto is the amounts as the contract has them.
func (a Amounts) Proto() *tokenstorev1.KeyAmounts {
	return &tokenstorev1.KeyAmounts{Requests: a.Requests, Tokens: a.Tokens, Cost: a.Cost, AtOnce: a.AtOnce}
}

// InOrder are the amounts in the order in which scripts have them.
func (a Amounts) InOrder() [4]uint64 { return [...]uint64{a.Requests, a.Tokens, a.Cost, a.AtOnce} }

// Of is what of the amounts a limit counts.
func (a Amounts) Of(limit *tokenstorev1.KeyLimit) uint64 { return a.InOrder()[PlaceOf(limit)] }

// PlaceOf is which of the amounts a limit counts, by its place in InOrder.
func PlaceOf(limit *tokenstorev1.KeyLimit) int {
	const requests, tokens, cost, atOnce = 0, 1, 2, 3
	switch {
	case limit.GetPeriod() == tokenstorev1.KeyPeriod_KEY_PERIOD_AT_ONCE:
		return atOnce
	case limit.GetUnit() == tokenstorev1.KeyUnit_KEY_UNIT_TOKENS:
		return tokens
	case limit.GetUnit() == tokenstorev1.KeyUnit_KEY_UNIT_USD:
		return cost
	default:
		return requests
	}
}

// Statement is what a replica says of its book: totals, but for Holding.
type Statement struct {
	// Sequence is from 1. A statement that comes behind one with a higher number changes nothing.
	Sequence uint64
	// Fresh is the book's first in its session: what the book was granted and has not heard of
	// by now, it never will.
	Fresh                   bool
	Spent, Granted, Holding Amounts
}

// Posting is what is entered into a key's ledger in one step: a statement of a book, charges of
// its replica's requests, at most MaxCharges, and what that wants ahead of requests.
type Posting struct {
	Book string
	// Statement is nil where the replica has said nothing new.
	Statement *Statement
	// Charges are the most that each request may use, in the order in which they are decided.
	Charges []Amounts
	Ahead   Amounts
	// TTL is how long what the book holds is set aside without another statement.
	TTL time.Duration
}

// Posted is what a posting has brought about.
type Posted struct {
	// At is Redis's time.
	At time.Time
	// Granted is all that the book has been granted.
	Granted Amounts
	// Standing is how far the limits are used up, in their order.
	Standing []*tokenstorev1.KeyStanding
	// Verdicts are on the charges, in their order.
	Verdicts []Verdict
}

// Outcome is what becomes of a charge.
type Outcome string

// The outcomes.
const (
	// Granted: it is set aside.
	Granted Outcome = "granted"
	// Waits: others have set aside what is missing, and may not need it.
	Waits Outcome = "waits"
	// Held: the replica itself has set aside what is missing.
	Held Outcome = "held"
	// Spent: what is missing has been used.
	Spent Outcome = "spent"
	// Never: it is more than the limit's whole amount.
	Never Outcome = "never"
)

// Verdict is on one charge.
type Verdict struct {
	Outcome Outcome
	// Limit is the place of the limit that refuses the charge.
	Limit int
	// Until is when that limit has room for it again by itself; zero: never, or that is not known.
	Until time.Time
}
