// Package caller says who asks, and what that one may use. Authentication makes a Caller of each
// request, and it travels with the request: through relay, logs and metrics. It does no I/O.
package caller

import (
	"crypto/sha256"
	"net/netip"
	"slices"
	"time"

	"carousel.internal/gateway/internal/pattern"
)

// Kind is what kind of caller somebody is, as the log names it.
type Kind string

// The kinds.
const (
	// Admin has sent the admin token.
	Admin Kind = "admin"
	// Client has sent a client key.
	Client Kind = "key"
	// OwnToken has brought a token of its own.
	OwnToken Kind = "own"
	// Session is a page that an admin is logged in on.
	Session Kind = "session"
)

// Key is a client key, as far as requests need to know it. It is shared: nobody changes one.
type Key struct {
	ID, Name string
	Disabled bool
	// ExpiresAt is zero for one that never does.
	ExpiresAt time.Time
	// Models are the names that its requests may say, or patterns of such; none: all.
	Models []string
	// Networks are those from which it may be used; none: all.
	Networks []netip.Prefix
	// Scopes are what it may do at /mcp; none: nothing.
	Scopes []Scope
	// Limits are in the order in which the store has them.
	Limits []Limit
}

// Scope is something that a client key may be allowed at /mcp.
type Scope string

// The scopes.
const (
	// PoolRead lets a key look at the pool and at what was done with it.
	PoolRead Scope = "pool:read"
	// PoolWrite is PoolRead, and lets a key change the pool.
	PoolWrite Scope = "pool:write"
)

// Scopes lists every scope.
func Scopes() []Scope { return []Scope{PoolRead, PoolWrite} }

// MayDo tells whether the key has a scope, itself or in another one.
func (k *Key) MayDo(scope Scope) bool {
	return slices.Contains(k.Scopes, scope) || scope == PoolRead && slices.Contains(k.Scopes, PoolWrite)
}

// MayUse tells whether requests may name a model.
func (k *Key) MayUse(model string) bool {
	return len(k.Models) == 0 || pattern.AnyCovers(k.Models, model)
}

// Expired tells whether the key's time is over.
func (k *Key) Expired(now time.Time) bool { return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) }

// Admits tells whether the key may be used from an address. One that is not known is in no network.
func (k *Key) Admits(address netip.Addr) bool {
	return len(k.Networks) == 0 || slices.ContainsFunc(k.Networks, func(network netip.Prefix) bool {
		return network.Contains(address.Unmap())
	})
}

// Caller is who has sent a request. The zero Caller is nobody.
type Caller struct {
	Kind Kind
	// Key is nil unless the kind is Client.
	Key *Key
	// Owner is whose it is what the request leaves behind: a SHA-256 of what identifies the
	// caller, the same wherever that stands.
	Owner [sha256.Size]byte
}

// KeyID is the client key's; empty without one.
func (c Caller) KeyID() string {
	if c.Key == nil {
		return ""
	}
	return c.Key.ID
}

// KeyName is KeyID for the name.
func (c Caller) KeyName() string {
	if c.Key == nil {
		return ""
	}
	return c.Key.Name
}
