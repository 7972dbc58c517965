package upstream

import (
	"context"
	"errors"
	"time"

	"carousel.internal/proto/service/secret"
)

// Renewer is implemented by drivers whose upstream gives access tokens that end, for a
// refresh token or for a user's key.
type Renewer interface {
	// Renew asks for another access token, once. ErrRefused tells that the upstream will
	// never give one for this; any other error, that nothing was found out. Their texts are
	// fit for an admin: no secret, no markup.
	Renew(ctx context.Context, refresh, proxy secret.Value) (Grant, error)
}

// Grant is what an upstream gives for a refresh token, or at the end of a login.
type Grant struct {
	Access secret.Value
	// Refresh is empty where the one that was used stays.
	Refresh secret.Value
	// ExpiresAt is the access token's end; zero where the upstream does not tell.
	ExpiresAt time.Time
}

// LoginAttempt is a login in the browser, from when its link is made.
type LoginAttempt struct {
	// URL is where the person logs in.
	URL string
	// UUID names the attempt to the upstream; whoever has the Verifier is given its tokens.
	UUID     string
	Verifier secret.Value
}

// Logins is implemented by drivers whose upstream lets people log in in the browser.
type Logins interface {
	// NewLogin makes an attempt. It asks nobody.
	NewLogin() (LoginAttempt, error)
	// PollLogin asks once whether the person has logged in. ErrLoginPending: not yet;
	// ErrRefused: the login is over; any other error: nothing was found out. A *WaitError
	// among them says that polls come too often.
	PollLogin(ctx context.Context, attempt LoginAttempt, proxy secret.Value) (Grant, error)
}

// Errors of Renewer and Logins.
var (
	ErrRefused      = errors.New("the upstream refuses it")
	ErrLoginPending = errors.New("the login is not finished yet")
)

// WaitError tells that an upstream has no time for the question now.
type WaitError struct {
	// For is how long to wait; 0 where the upstream does not say.
	For time.Duration
	// Text is what it said, fit for an admin.
	Text string
}

// Error implements error.
func (e *WaitError) Error() string { return e.Text }
