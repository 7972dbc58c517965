package redisstore

import (
	"context"
	"fmt"
	"time"

	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
	"carousel.internal/tokenstore/internal/token"
)

// renewableShift is by how much the field expires of a token that is renewed lies behind the
// end of its access token: so it is picked until RenewableLead before that, where others are
// until ExpiryLead before their expiry.
const renewableShift = token.ExpiryLead - token.RenewableLead

// renewal is the part of a token that a refresh changes, and an admin's edit does not. It is
// in fields of its own, beside the record.
type renewal struct {
	// on: access tokens are had anew.
	on bool
	// access, refresh and former are sealed; empty where there is none. A user's key has no
	// refresh token: it is the key itself.
	access, refresh, former string
	accessEnds              time.Time
	needsLogin              bool
	problem                 string
	refreshed, next         time.Time
	grants                  uint64
}

func renewalOf(f fields) renewal {
	return renewal{
		on: f["renewable"] == "1", access: f["access"], refresh: f["refresh"], former: f["former"], accessEnds: f.time("access_ends"),
		needsLogin: f["needs_login"] == "1", problem: f["refresh_error"], refreshed: f.time("refreshed"), next: f.time("refresh_at"),
		grants: f.count("grants"),
	}
}

// show adds what may be shown of the renewal.
func (r renewal) show(shown *tokenstorev1.Token) {
	if !r.on {
		return
	}
	if r.refresh != "" {
		shown.Kind = tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN
	}
	shown.ExpiresAt, shown.NeedsLogin, shown.RefreshError = timestamp(r.accessEnds), r.needsLogin, r.problem
	shown.RefreshedAt, shown.NextRefreshAt = timestamp(r.refreshed), timestamp(r.next)
}

func accessBinding(id string) string  { return id + " access" }
func refreshBinding(id string) string { return id + " refresh" }

// sealGiven seals what is not empty.
func (s *Store) sealGiven(plain secret.Value, binding string) string {
	if plain.Empty() {
		return ""
	}
	return s.keys.Seal(plain, binding)
}

// openGiven undoes sealGiven. Its errors name the binding.
func (s *Store) openGiven(sealed, binding string) (secret.Value, error) {
	if sealed == "" {
		return secret.Value{}, nil
	}
	plain, err := s.keys.Open(sealed, binding)
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %w", binding, err)
	}
	return plain, nil
}

// principalOf is what a draft is at its upstream.
func principalOf(draft token.Draft, drivers map[string]string) principal {
	return principal{draft.Secret, token.KindOf(drivers[draft.Upstream], draft.Secret, draft.Refresh)}
}

// loginsOf returns, for drafts of mere session tokens, the logins that there are of the same
// accounts; empty where there is none. An access token of a login is no other token.
func (s *Store) loginsOf(ctx context.Context, drafts []token.Draft, drivers map[string]string) ([]string, error) {
	logins := make([]string, len(drafts))
	var places []int
	var identities []string
	for i, draft := range drafts {
		self := principalOf(draft, drivers)
		if self.Kind != tokenstorev1.CredentialKind_CREDENTIAL_KIND_SESSION || !token.Renews(drivers[draft.Upstream]) || token.Subject(self.Secret) == "" {
			continue
		}
		self.Kind = tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN
		places, identities = append(places, i), append(identities, draft.Upstream+" "+s.keys.Fingerprint(self.identity()))
	}
	if len(places) == 0 {
		return logins, nil
	}
	known, err := s.client.HMGet(ctx, fingerprintKey(), identities...).Result()
	if err != nil {
		return nil, storeError("look for logins", err)
	}
	for n, i := range places {
		logins[i], _ = known[n].(string)
	}
	return logins, nil
}

// checkRefresh refuses what can't be the refresh token of a draft.
func checkRefresh(draft token.Draft, drivers map[string]string) error {
	if draft.Refresh.Empty() {
		return nil
	}
	if err := token.CheckSecret(draft.Refresh); err != nil {
		return fmt.Errorf("refresh_token: %w", err)
	}
	if driver := drivers[draft.Upstream]; driver != "" && !token.Renews(driver) {
		return fmt.Errorf("refresh_token: upstream %q has no logins", draft.Upstream)
	}
	return nil
}

// renewalFor is how a token begins that is renewed. A user's key has no access token yet.
func (s *Store) renewalFor(id string, kind tokenstorev1.CredentialKind, draft token.Draft) (on bool, access, refresh string) {
	switch kind {
	case tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN:
		return true, s.keys.Seal(draft.Secret, accessBinding(id)), s.keys.Seal(draft.Refresh, refreshBinding(id))
	case tokenstorev1.CredentialKind_CREDENTIAL_KIND_USER_KEY:
		return true, "", ""
	default:
		return false, "", ""
	}
}

// milliseconds is a time as scripts have it; 0 for none.
func milliseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
