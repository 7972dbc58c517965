package lease

import "carousel.internal/gateway/internal/money"

// Amounts are amounts of all that a key's limits count.
type Amounts struct {
	Requests, Tokens uint64
	Cost             money.Pico
	// AtOnce are requests at a time.
	AtOnce uint64
}

// Charge is what a request may use of a client key that has limits. It is set aside with the first
// lease that the request asks for, stays so for those that follow, and is paid once. One goroutine
// has it.
type Charge struct {
	KeyID string
	// Most is the most that the request may use, whichever of its targets serves.
	Most Amounts
	// Held: Most is set aside. Acquire sets it, also where it then finds no token.
	Held bool
}
