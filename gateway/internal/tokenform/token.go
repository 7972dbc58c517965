// Package tokenform is the form in which tokens of the pool are shown: the T of the REST API, and
// the names of states and kinds that the pages use, too. It does no I/O.
package tokenform

import (
	"cmp"
	"time"

	"carousel.internal/gateway/internal/nullable"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Token is T of the documentation.
type Token struct {
	ID       string   `json:"id"`
	Upstream string   `json:"upstream"`
	Alias    string   `json:"alias"`
	Tags     []string `json:"tags"`
	Enabled  bool     `json:"enabled"`
	// State is ready, quarantined, cooling, probing, parked, expired or disabled.
	State string `json:"state"`
	// Token and Checksum are masked.
	Token       string     `json:"token"`
	Fingerprint string     `json:"fingerprint"`
	Checksum    string     `json:"checksum"`
	Cap         uint32     `json:"cap"`
	Weight      uint32     `json:"weight"`
	InFlight    uint32     `json:"in_flight"`
	Requests    uint64     `json:"requests"`
	Failures    uint64     `json:"failures"`
	LastUsedAt  *time.Time `json:"last_used_at"`
	// LastError is null when the last request went well.
	LastError    *string    `json:"last_error"`
	CoolingUntil *time.Time `json:"cooling_until"`
	ExpiresAt    *time.Time `json:"expires_at"`
	CreatedAt    *time.Time `json:"created_at"`
	Version      uint64     `json:"version"`
	// Kind is session, api_key, user_key or login.
	Kind string `json:"kind"`
	// NeedsLogin: the upstream gives it no access token any more, until somebody logs in
	// again or brings another key.
	NeedsLogin bool `json:"needs_login"`
	// RefreshError is null when the last refresh went well, or there was none.
	RefreshError *string    `json:"refresh_error"`
	RefreshedAt  *time.Time `json:"refreshed_at"`
	// NextRefreshAt is null where nothing is refreshed.
	NextRefreshAt *time.Time `json:"next_refresh_at"`
	// Proxy is without its password; empty: the upstream's.
	Proxy string `json:"proxy"`
	// DisabledUntil is null where it is enabled, or only an admin enables it.
	DisabledUntil *time.Time `json:"disabled_until"`
}

// Name is what people call a token.
func Name(t *tokenstorev1.Token) string { return cmp.Or(t.GetAlias(), t.GetMaskedSecret()) }

// Of is the form of a token.
func Of(t *tokenstorev1.Token) Token {
	return Token{
		ID: t.GetId(), Upstream: t.GetUpstream(), Alias: t.GetAlias(), Tags: nullable.List(t.GetTags()),
		Enabled: t.GetEnabled(), State: StateName(t.GetState()),
		Token: t.GetMaskedSecret(), Fingerprint: t.GetFingerprint(), Checksum: t.GetMaskedChecksum(),
		Cap: t.GetCap(), Weight: t.GetWeight(), InFlight: t.GetInFlight(),
		Requests: t.GetRequests(), Failures: t.GetFailures(),
		LastUsedAt: nullable.Time(t.GetLastUsedAt()), LastError: nullable.Text(t.GetLastError()),
		CoolingUntil: nullable.Time(t.GetCoolingUntil()), ExpiresAt: nullable.Time(t.GetExpiresAt()),
		CreatedAt: nullable.Time(t.GetCreatedAt()), Version: t.GetVersion(),
		Kind: KindName(t.GetKind()), NeedsLogin: t.GetNeedsLogin(), RefreshError: nullable.Text(t.GetRefreshError()),
		RefreshedAt: nullable.Time(t.GetRefreshedAt()), NextRefreshAt: nullable.Time(t.GetNextRefreshAt()), Proxy: t.GetMaskedProxy(),
		DisabledUntil: nullable.Time(t.GetDisabledUntil()),
	}
}
