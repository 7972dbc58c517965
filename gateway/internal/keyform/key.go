// Package keyform is the form in which client keys are shown and said: the K of the REST API,
// which the pages and the command line use, too. It turns the store's messages into it and back,
// and judges limits and budgets, whose form is not the store's. It does no I/O.
package keyform

import (
	"time"

	"carousel.internal/gateway/internal/nullable"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Key is K of the documentation.
type Key struct {
	ID   string   `json:"id"`
	Name string   `json:"name"`
	Tags []string `json:"tags"`
	// State is active, disabled, expired or deleted.
	State     string     `json:"state"`
	ExpiresAt *time.Time `json:"expires_at"`
	// Models and Networks are empty where all may be used.
	Models   []string `json:"models"`
	Networks []string `json:"networks"`
	// Scopes are what the key may do at /mcp; empty: nothing.
	Scopes       []string   `json:"scopes"`
	Limits       Limits     `json:"limits"`
	Budgets      []Budget   `json:"budgets"`
	MaskedSecret string     `json:"masked_secret"`
	CreatedAt    *time.Time `json:"created_at"`
	UpdatedAt    *time.Time `json:"updated_at"`
	// OldSecretUntil is null unless the secret before the present one goes on.
	OldSecretUntil *time.Time `json:"old_secret_until"`
	// DeletedAt is null unless the key is deleted.
	DeletedAt *time.Time `json:"deleted_at"`
	Version   uint64     `json:"version"`
	// Left is of each limit and budget, in the order of these.
	Left []Left `json:"left"`
}

// The states of a key.
const (
	Active   = "active"
	Disabled = "disabled"
	Expired  = "expired"
	Deleted  = "deleted"
)

// States are the store's by name.
var States = map[string]tokenstorev1.KeyState{
	Active:   tokenstorev1.KeyState_KEY_STATE_ACTIVE,
	Disabled: tokenstorev1.KeyState_KEY_STATE_DISABLED,
	Expired:  tokenstorev1.KeyState_KEY_STATE_EXPIRED,
	Deleted:  tokenstorev1.KeyState_KEY_STATE_DELETED,
}

// Of is the form of a key that is not deleted. standing is how far its limits are used up;
// without it nothing is known of that.
func Of(key *tokenstorev1.ClientKey, standing []*tokenstorev1.KeyStanding, now time.Time) Key {
	limits, budgets := LimitsOf(key.GetLimits())
	return Key{
		ID: key.GetId(), Name: key.GetName(), Tags: nullable.List(key.GetTags()), State: stateOf(key, now), ExpiresAt: nullable.Time(key.GetExpiresAt()),
		Models: nullable.List(key.GetModels()), Networks: nullable.List(key.GetNetworks()), Scopes: nullable.List(key.GetScopes()), Limits: limits, Budgets: budgets,
		MaskedSecret: key.GetMaskedSecret(), CreatedAt: nullable.Time(key.GetCreatedAt()), UpdatedAt: nullable.Time(key.GetUpdatedAt()),
		OldSecretUntil: oldSecretUntil(key, now), Version: key.GetVersion(), Left: LeftOf(standing),
	}
}

// OfListed is Of for a key of a list, which may be deleted.
func OfListed(listed *tokenstorev1.ListedKey, now time.Time) Key {
	key := Of(listed.GetKey(), listed.GetStanding(), now)
	if key.DeletedAt = nullable.Time(listed.GetDeletedAt()); key.DeletedAt != nil {
		key.State = Deleted
	}
	return key
}

// stateOf is the store's rule: whoever disabled a key has the last word.
func stateOf(key *tokenstorev1.ClientKey, now time.Time) string {
	switch {
	case key.GetDisabled():
		return Disabled
	case key.GetExpiresAt() != nil && !now.Before(key.GetExpiresAt().AsTime()):
		return Expired
	default:
		return Active
	}
}

func oldSecretUntil(key *tokenstorev1.ClientKey, now time.Time) *time.Time {
	until := nullable.Time(key.GetOldSecretUntil())
	if until == nil || !now.Before(*until) {
		return nil
	}
	return until
}
