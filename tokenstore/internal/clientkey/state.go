package clientkey

import (
	"time"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// State is the state of a key at a moment; deleted is zero where it is not. Whoever disabled a
// key has the last word, also when it has expired.
func State(key *tokenstorev1.ClientKey, deleted, now time.Time) tokenstorev1.KeyState {
	switch {
	case !deleted.IsZero():
		return tokenstorev1.KeyState_KEY_STATE_DELETED
	case key.GetDisabled():
		return tokenstorev1.KeyState_KEY_STATE_DISABLED
	case key.GetExpiresAt() != nil && !now.Before(key.GetExpiresAt().AsTime()):
		return tokenstorev1.KeyState_KEY_STATE_EXPIRED
	default:
		return tokenstorev1.KeyState_KEY_STATE_ACTIVE
	}
}
