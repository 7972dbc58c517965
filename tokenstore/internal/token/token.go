// Package token is the domain of the tokenstore: what a token, an upstream and
// a setting may be, and how a pasted secret is read. It does no I/O and knows
// neither Redis nor gRPC's machinery; the contract's messages are its types where
// another type would only copy them.
package token

import (
	"slices"
	"time"

	"carousel.internal/proto/cursor/checksum"
	"carousel.internal/proto/service/secret"
)

// Draft is a token as it comes in: from an admin, or from a file.
type Draft struct {
	// Upstream is empty where the source does not say.
	Upstream string
	Secret   secret.Value
	// Refresh makes it a login, of which Secret is an access token.
	Refresh secret.Value
	Fields
	// Said are the names of the Fields that the source gives; the others have
	// their defaults. A known token that comes in again changes only in these.
	Said []string
}

// Fields are what an admin may change of a token.
type Fields struct {
	Alias string
	Tags  []string
	// Cap is the number of requests at a time; 0 is unlimited.
	Cap uint32
	// Weight is at least 1.
	Weight  uint32
	Enabled bool
	// DisabledUntil is when it is enabled by itself; zero: when an admin does it.
	DisabledUntil time.Time
	// Checksum is zero where the upstream needs none.
	Checksum checksum.Material
	// Proxy is the URL that everything about the token goes through; empty: the upstream's.
	Proxy secret.Value
}

// Names of the Fields, as in update masks and in the admin API.
const (
	Alias    = "alias"
	Tags     = "tags"
	Cap      = "cap"
	Weight   = "weight"
	Enabled  = "enabled"
	Checksum = "checksum"
	Proxy    = "proxy"
	// DisabledUntil with a time disables, whatever is said of Enabled.
	DisabledUntil = "disabled_until"
)

// NewDraft is a draft with the defaults.
func NewDraft(value secret.Value) Draft {
	return Draft{Secret: value, Fields: Fields{Weight: 1, Enabled: true}}
}

// Take copies the named fields from other. Who is enabled, or disabled without a word on
// until when, is not disabled until a time any more.
func (f *Fields) Take(other Fields, names []string) {
	if slices.Contains(names, Enabled) {
		f.Enabled, f.DisabledUntil = other.Enabled, time.Time{}
	}
	if slices.Contains(names, DisabledUntil) {
		f.DisabledUntil = other.DisabledUntil
		f.Enabled = f.Enabled && f.DisabledUntil.IsZero()
	}
	for _, name := range names {
		switch name {
		case Alias:
			f.Alias = other.Alias
		case Tags:
			f.Tags = other.Tags
		case Cap:
			f.Cap = other.Cap
		case Weight:
			f.Weight = other.Weight
		case Checksum:
			f.Checksum = other.Checksum
		case Proxy:
			f.Proxy = other.Proxy
		}
	}
}

// MaskChecksum masks checksum material as a secret is masked.
func MaskChecksum(material checksum.Material) string {
	if material.DeviceID == "" {
		return ""
	}
	return secret.New(material.DeviceID + material.MACHash).Masked()
}
