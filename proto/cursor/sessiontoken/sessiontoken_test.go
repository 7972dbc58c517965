package sessiontoken_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"carousel.internal/proto/cursor/sessiontoken"
)

// published is a token that was signed with the key `test`: it expires in 2100.
const published = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhdXRoMHx1c2VyXzAxSkgwMDAwMDAwMDAwMDAwMDAwMDAwMDAwIiwidGltZSI6IjE3MzU2ODk2MDAiLCJyYW5kb21uZXNzIjoiMGExYjJjM2QtNGU1Zi02Nzg5IiwiZXhwIjo0MTAyNDQ0ODAwLCJpc3MiOiJodHRwczovL2F1dGhlbnRpY2F0aW9uLmN1cnNvci5zaCIsInNjb3BlIjoib3BlbmlkIHByb2ZpbGUgZW1haWwgb2ZmbGluZV9hY2Nlc3MiLCJhdWQiOiJodHRwczovL2N1cnNvci5jb20iLCJ0eXBlIjoic2Vzc2lvbiJ9.sukW53-07-i9oa2C4ROxVw026FlqG3bFUi_dRGhcqkg"

const headerPart = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// tokenWith is a good token with one claim changed; nil takes it away.
func tokenWith(t *testing.T, name string, value any) string {
	t.Helper()
	claims := map[string]any{
		"sub": "auth0|user_1", "time": "1735689600", "randomness": "0a1b2c3d-4e5f-6789", "exp": 4102444800,
		"iss": "https://authentication.cursor.sh", "scope": "openid profile email offline_access",
		"aud": "https://cursor.com", "type": "session",
	}
	claims[name] = value
	if value == nil {
		delete(claims, name)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return headerPart + base64.RawURLEncoding.EncodeToString(text) + ".signature"
}

func TestParse(t *testing.T) {
	t.Parallel()
	claims, err := sessiontoken.Parse(published, now)
	if err != nil {
		t.Fatal(err)
	}
	if claims.UserID() != "user_01JH0000000000000000000000" || claims.Type != "session" ||
		claims.IssuedAt.Unix() != 1735689600 || claims.ExpiresAt.Unix() != 4102444800 {
		t.Errorf("%+v, user %s", claims, claims.UserID())
	}
	if got := sessiontoken.UserID(published); got != "user_01JH0000000000000000000000" {
		t.Errorf("user id %q", got)
	}
	if got := sessiontoken.UserID("sk-something"); got != "" {
		t.Errorf("user id %q of no token", got)
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		token string
		want  error
	}{
		"empty":                   {"", sessiontoken.ErrParts},
		"two parts":               {"a.b", sessiontoken.ErrParts},
		"four parts":              {published + ".x", sessiontoken.ErrParts},
		"no signature":            {headerPart + "e30.", sessiontoken.ErrParts},
		"another algorithm":       {"eyJhbGciOiJub25lIn0.e30.x", sessiontoken.ErrHeader},
		"payload not base64":      {headerPart + "*.x", sessiontoken.ErrPayload},
		"payload not an object":   {headerPart + base64.RawURLEncoding.EncodeToString([]byte("[]")) + ".x", sessiontoken.ErrPayload},
		"payload not UTF-8":       {headerPart + base64.RawURLEncoding.EncodeToString([]byte("{\"sub\":\"\xff\"}")) + ".x", sessiontoken.ErrPayload},
		"time is a number":        {tokenWith(t, "time", 1735689600), sessiontoken.ErrPayload},
		"time is a word":          {tokenWith(t, "time", "soon"), sessiontoken.ErrIssued},
		"time missing":            {tokenWith(t, "time", nil), sessiontoken.ErrIssued},
		"not valid yet":           {tokenWith(t, "time", "4102444800"), sessiontoken.ErrTooEarly},
		"randomness short":        {tokenWith(t, "randomness", "0a1b2c3d"), sessiontoken.ErrRandomness},
		"expired":                 {tokenWith(t, "exp", 1735689601), sessiontoken.ErrExpired},
		"expiry missing":          {tokenWith(t, "exp", nil), sessiontoken.ErrNoExpiry},
		"expiry a text":           {tokenWith(t, "exp", "4102444800"), sessiontoken.ErrNoExpiry},
		"another issuer":          {tokenWith(t, "iss", "https://example.com"), sessiontoken.ErrIssuer},
		"another scope":           {tokenWith(t, "scope", "openid"), sessiontoken.ErrScope},
		"another audience":        {tokenWith(t, "aud", "https://example.com"), sessiontoken.ErrAudience},
		"no user":                 {tokenWith(t, "sub", "auth0|"), sessiontoken.ErrSubject},
		"the website's":           {tokenWith(t, "type", "web"), sessiontoken.ErrWeb},
		"before there was a type": {tokenWith(t, "type", nil), nil},
		"no provider":             {tokenWith(t, "sub", "user_1"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := sessiontoken.Parse(test.token, now); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
		})
	}
}
