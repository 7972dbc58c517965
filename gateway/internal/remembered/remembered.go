// Package remembered keeps answers for as long as their clients may go on with them by their
// ids, through any gateway. To whom else an id belongs, or whether it does, nobody is told. What
// an answer says is a dialect's business: here it is bytes.
package remembered

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"time"
)

// MaxBytes bounds an answer together with its input, where a Desk has no limit of its own.
const MaxBytes = 4 << 20

// maxID bounds an id, in bytes.
const maxID = 128

var (
	// ErrNone tells that nothing is kept under the id, or not for who asks.
	ErrNone = errors.New("nothing is kept under this id")
	// ErrTooLarge tells that no store keeps so much.
	ErrTooLarge = errors.New("it is larger than what is kept")
	errAway     = errors.New("the store is out of reach")
	errID       = errors.New("its id is none under which something is kept")
)

// Owner is a SHA-256 of who made an answer.
type Owner = [sha256.Size]byte

// Answer is one that is kept.
type Answer struct {
	// ID has 1 to 128 letters, digits, `_` and `-`.
	ID    string
	Owner Owner
	// Upstream and TokenID are where the upstream itself keeps the answer, and the token that it
	// was made with; then JSON and Input are empty. Of an answer that is kept here they are.
	Upstream, TokenID string
	// Model is the name as the client gave it.
	Model   string
	Created time.Time
	// JSON is the answer, Input the list of all that went in.
	JSON, Input []byte
}

// Native tells whether the upstream keeps the answer.
func (a *Answer) Native() bool { return a.Upstream != "" }

// Store keeps answers for all gateways. Its errors are ErrNone, ErrTooLarge, *chat.Error, or a
// context's.
type Store interface {
	// Put keeps an answer, safely when it returns.
	Put(ctx context.Context, answer *Answer) error
	Get(ctx context.Context, id string, owner Owner) (*Answer, error)
	Delete(ctx context.Context, id string, owner Owner) error
}

// Desk asks a store, within a time. It is safe for concurrent use.
type Desk struct {
	Store Store
	// Timeout bounds each call.
	Timeout time.Duration
	// Away tells that the store is known to be out of reach: then no answer waits for it. nil:
	// nothing is known.
	Away func() bool
	// Limit bounds an answer together with its input, in bytes; 0: MaxBytes.
	Limit int
}

// Keep keeps an answer.
func (d *Desk) Keep(ctx context.Context, answer *Answer) error {
	switch {
	case !isID(answer.ID):
		return errID
	case len(answer.JSON)+len(answer.Input) > cmp.Or(d.Limit, MaxBytes):
		return ErrTooLarge
	case d.Away != nil && d.Away():
		return errAway
	}
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	return d.Store.Put(ctx, answer)
}

// Find returns what an owner has under an id.
func (d *Desk) Find(ctx context.Context, id string, owner Owner) (*Answer, error) {
	if !isID(id) {
		return nil, ErrNone
	}
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	return d.Store.Get(ctx, id, owner)
}

// Forget keeps an answer no longer.
func (d *Desk) Forget(ctx context.Context, id string, owner Owner) error {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	return d.Store.Delete(ctx, id, owner)
}

// isID tells whether something may be kept under a name.
func isID(name string) bool {
	for _, r := range []byte(name) {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (r < '0' || '9' < r) && r != '_' && r != '-' {
			return false
		}
	}
	return 0 < len(name) && len(name) <= maxID
}
