package cursor

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/identity"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/proto/service/secret"
)

const (
	loginPath = "/loginDeepControl"
	pollPath  = "/auth/poll"
	// verifierSize is in bytes, before they are written as text.
	verifierSize = 32
)

// NewLogin implements upstream.Logins. Whoever follows the link can log in, and only who has
// the verifier is given the tokens.
func (d *driver) NewLogin() (upstream.LoginAttempt, error) {
	var random [verifierSize]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the process instead
	verifier := base64.RawURLEncoding.EncodeToString(random[:])
	challenge := sha256.Sum256([]byte(verifier))
	id := identity.NewID()
	query := url.Values{
		"challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"uuid":      {id}, "mode": {"login"}, "redirectTarget": {"cli"},
	}
	return upstream.LoginAttempt{
		URL: d.settings.login + loginPath + "?" + query.Encode(), UUID: id, Verifier: secret.New(verifier),
	}, nil
}

// PollLogin implements upstream.Logins.
func (d *driver) PollLogin(ctx context.Context, attempt upstream.LoginAttempt, proxy secret.Value) (upstream.Grant, error) {
	ctx, cancel := context.WithTimeout(egress.Through(ctx, proxy), renewTimeout)
	defer cancel()
	query := url.Values{"uuid": {attempt.UUID}, "verifier": {attempt.Verifier.Reveal()}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.settings.base+pollPath+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return upstream.Grant{}, errUnreadable
	}
	answer, err := d.send(request)
	if err != nil {
		return upstream.Grant{}, err
	}
	switch answer.Status {
	case http.StatusOK:
		return grantOf(answer.Body)
	case http.StatusNotFound:
		return upstream.Grant{}, upstream.ErrLoginPending
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusGone:
		return upstream.Grant{}, refusedWith(answer, attempt.Verifier)
	default:
		return upstream.Grant{}, waitOrFailure(answer, attempt.Verifier)
	}
}
