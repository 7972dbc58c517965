package caller

import "errors"

// ErrUnknownKey is the error for a secret that is no client key's, or is so no more.
var ErrUnknownKey = errors.New("no client key has this secret")

// Reason is why a caller was refused for what it sent as its key, as logs and metrics name it.
type Reason string

// The reasons.
const (
	// WrongKey: what was sent is nobody's key.
	WrongKey Reason = "wrong"
	// KeyDisabled and KeyExpired are of client keys that are known.
	KeyDisabled Reason = "disabled"
	KeyExpired  Reason = "expired"
	// SecretReplaced: the key has had another secret for longer than this one was to go on.
	SecretReplaced Reason = "replaced"
	// WrongNetwork: the key may not be used from the client's address.
	WrongNetwork Reason = "network"
	// NotForKeys: what was asked for takes another key than a client's.
	NotForKeys Reason = "not_for_keys"
)

// Reasons lists every reason.
func Reasons() []Reason {
	return []Reason{WrongKey, KeyDisabled, KeyExpired, SecretReplaced, WrongNetwork, NotForKeys}
}

// Refusal is the cause of the error for a caller that was refused.
type Refusal struct {
	Reason Reason
	// Key is whose secret it is; nil for WrongKey.
	Key *Key
}

// Error is for the log.
func (r *Refusal) Error() string {
	if r.Key == nil {
		return "it is nobody's"
	}
	return "it is of key " + r.Key.ID
}
