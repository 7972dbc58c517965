package reqbody

import (
	"sync/atomic"
	"time"

	"carousel.internal/gateway/internal/chat"
)

// copies is how often a body is in memory while its request is served, about: as it
// came, and as what is made of it.
const copies = 2

// Budget bounds the memory that the bodies of all requests in flight take. It is safe
// for concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget makes a budget of so many bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// RoomFor is the least that a budget has to have for one body of so many bytes, however
// it is packed.
func RoomFor(body int64) int64 { return copies*(body+1) + maxWindow + besideWindow }

func (b *Budget) take(bytes int64) bool {
	if b.used.Add(bytes) <= b.limit {
		return true
	}
	b.used.Add(-bytes)
	return false
}

func (b *Budget) give(bytes int64) { b.used.Add(-bytes) }

// overloadPause is when a client may try again that found no room.
const overloadPause = time.Second

// noRoom is the error of a body for which so much is not to be had: now, or ever.
func (b *Budget) noRoom(bytes int64) *chat.Error {
	if all := b.limit; bytes > all {
		return chat.Errorf(chat.PayloadTooLarge, "the request body takes more memory than this gateway has for bodies, %d MiB: its operator can raise BODY_MEMORY_MB", all>>20)
	}
	err := chat.Errorf(chat.Overloaded, "this gateway has as many request bodies in hand as it has room for; try again in a moment")
	err.RetryAfter = overloadPause
	return err
}
