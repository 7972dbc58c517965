package relay

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
)

// stickyKey is the same for requests that are to go to one token: those of a session,
// else of a user. It is a hash: the store need not know who they are.
func (r *run) stickyKey() string {
	key := cmp.Or(r.request.Session, r.request.User)
	if !r.policy.Sticky || key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:8])
}
