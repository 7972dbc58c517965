package token

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"carousel.internal/proto/service/secret"
)

// latest is the last time that a Timestamp can say.
var latest = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// claims are what we read of a JWT.
type claims struct {
	Subject string  `json:"sub"`
	Expires float64 `json:"exp"`
}

// claimsOf reads a token that is a JWT; false where it is none.
func claimsOf(value secret.Value) (claims, bool) {
	parts := strings.Split(value.Reveal(), ".")
	if len(parts) != 3 {
		return claims{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return claims{}, false
	}
	var said claims
	return said, json.Unmarshal(payload, &said) == nil
}

func isJWT(value secret.Value) bool {
	_, is := claimsOf(value)
	return is
}

// Expiry is the `exp` of a token that is a JWT; zero where it is not one or does
// not say.
func Expiry(value secret.Value) time.Time {
	said, is := claimsOf(value)
	if !is || said.Expires <= 0 || said.Expires >= float64(latest.Unix()) {
		return time.Time{}
	}
	return time.Unix(int64(said.Expires), 0).UTC()
}

// Subject is the `sub` of a token that is a JWT: whose it is. Empty where it is not one or
// does not say.
func Subject(value secret.Value) string {
	said, is := claimsOf(value)
	if !is {
		return ""
	}
	return said.Subject
}
