package cursor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/gateway/internal/upstream/cursor/fault"
	"carousel.internal/gateway/internal/upstream/cursor/identity"
	"carousel.internal/gateway/internal/upstream/egress"
	"carousel.internal/proto/service/secret"
)

const (
	exchangePath = "/auth/exchange_user_api_key"
	// renewTimeout bounds one question about a login or an access token.
	renewTimeout = 15 * time.Second
	// maxTokenLength bounds what is taken for a token, in bytes.
	maxTokenLength = 16 << 10
)

// errNoTokens is an answer that should have tokens and has none.
var errNoTokens = errors.New("the upstream's answer has no access token")

// grantJSON is how the upstream hands out tokens.
type grantJSON struct {
	AccessToken  string `json:"accessToken"`
	RefreshToken string `json:"refreshToken"`
}

// Renew implements upstream.Renewer. A refresh token and a user's key are exchanged alike.
func (d *driver) Renew(ctx context.Context, refresh, proxy secret.Value) (upstream.Grant, error) {
	bearer, failure := identity.Bearer(upstream.Credential{Secret: refresh})
	if failure != nil {
		return upstream.Grant{}, fmt.Errorf("%w: %s", upstream.ErrRefused, failure.Message)
	}
	ctx, cancel := context.WithTimeout(egress.Through(ctx, proxy), renewTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.settings.base+exchangePath, strings.NewReader("{}"))
	if err != nil {
		return upstream.Grant{}, errUnreadable
	}
	request.Header.Set("Authorization", bearer)
	request.Header.Set("Content-Type", "application/json")
	// A body without GetBody is sent once: an upstream that has got it may have used the
	// refresh token up.
	request.GetBody = nil
	answer, err := d.send(request)
	if err != nil {
		return upstream.Grant{}, err
	}
	switch answer.Status {
	case http.StatusOK:
		return grantOf(answer.Body)
	case http.StatusUnauthorized, http.StatusForbidden:
		return upstream.Grant{}, refusedWith(answer, refresh)
	default:
		return upstream.Grant{}, waitOrFailure(answer, refresh)
	}
}

// refusedWith is upstream.ErrRefused with what the upstream said. A wall in between judges the
// address and not the token: its page refuses nothing.
func refusedWith(answer *fault.Refusal, hidden secret.Value) error {
	if answer.IsPage() {
		return errors.New(words(answer, hidden))
	}
	return fmt.Errorf("%w: %s", upstream.ErrRefused, words(answer, hidden))
}

// waitOrFailure is the error of an answer that settles nothing.
func waitOrFailure(answer *fault.Refusal, hidden secret.Value) error {
	failure := answer.Failure(fault.Table, hidden)
	if answer.Status == http.StatusTooManyRequests {
		return &upstream.WaitError{For: failure.RetryAfter, Text: failure.Message}
	}
	return fmt.Errorf("%s (HTTP %d)", failure.Message, answer.Status)
}

func grantOf(body []byte) (upstream.Grant, error) {
	var told grantJSON
	if json.Unmarshal(body, &told) != nil || told.AccessToken == "" {
		return upstream.Grant{}, errNoTokens
	}
	if len(told.AccessToken) > maxTokenLength || len(told.RefreshToken) > maxTokenLength {
		return upstream.Grant{}, errors.New("the upstream's tokens are longer than 16 KiB")
	}
	grant := upstream.Grant{Access: secret.New(told.AccessToken), ExpiresAt: expiryOf(told.AccessToken)}
	if told.RefreshToken != "" {
		grant.Refresh = secret.New(told.RefreshToken)
	}
	return grant, nil
}
