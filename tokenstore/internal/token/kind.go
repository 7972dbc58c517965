package token

import (
	"carousel.internal/proto/cursor/userkey"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// Renews tells whether upstreams of the driver give access tokens anew, for refresh tokens
// and for users' keys.
func Renews(driver string) bool { return driver == DriverCursor }

// TellsAccounts tells whether upstreams of the driver answer questions about the accounts
// behind tokens.
func TellsAccounts(driver string) bool { return driver == DriverCursor }

// KindOf is what a token's secret is at an upstream of the driver.
func KindOf(driver string, value, refresh secret.Value) tokenstorev1.CredentialKind {
	switch {
	case Renews(driver) && !refresh.Empty():
		return tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN
	case Renews(driver) && userkey.Is(value.Reveal()):
		return tokenstorev1.CredentialKind_CREDENTIAL_KIND_USER_KEY
	case isJWT(value):
		return tokenstorev1.CredentialKind_CREDENTIAL_KIND_SESSION
	default:
		return tokenstorev1.CredentialKind_CREDENTIAL_KIND_API_KEY
	}
}

// Identity is the text that makes a token the same as another: its secret, and of a login
// the account that its access token names, so that a person who logs in again does not
// become a second token.
func Identity(kind tokenstorev1.CredentialKind, value secret.Value) secret.Value {
	if kind == tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN {
		if subject := Subject(value); subject != "" {
			return secret.New("login " + subject)
		}
	}
	return value
}
