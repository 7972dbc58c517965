// Package sessiontoken reads Cursor's session tokens: JSON Web Tokens whose form
// is known and whose signature can't be checked, because only the upstream has its
// key. The package does no I/O, reads no clock and knows no pool.
package sessiontoken

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// What every session token says.
const (
	header   = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" // {"alg":"HS256","typ":"JWT"}
	issuer   = "https://authentication.cursor.sh"
	scope    = "openid profile email offline_access"
	audience = "https://cursor.com"
	webType  = "web"
	// randomnessLen is the length of `randomness`, such as 0a1b2c3d-4e5f-6789.
	randomnessLen = 18
)

// The reasons why a text is no token that an upstream would take. None repeats it.
var (
	ErrParts      = errors.New("it is no session token: three parts with dots between them are wanted")
	ErrHeader     = errors.New("it is no session token: its first part is not the header of one")
	ErrPayload    = errors.New("it is no session token: its second part is not base64 of a JSON object")
	ErrIssued     = errors.New("its `time` is not a number of seconds")
	ErrTooEarly   = errors.New("its `time` lies in the future")
	ErrRandomness = fmt.Errorf("its `randomness` does not have %d characters", randomnessLen)
	ErrNoExpiry   = errors.New("its `exp` is not a number of seconds")
	ErrExpired    = errors.New("it has expired")
	ErrIssuer     = errors.New("its `iss` is not " + issuer)
	ErrScope      = errors.New("its `scope` is not that of a session")
	ErrAudience   = errors.New("its `aud` is not " + audience)
	ErrSubject    = errors.New("its `sub` names no user")
	ErrWeb        = errors.New("it is the website's token (`type` web), which the upstream does not take for chats; a session token is wanted")
)

// Claims are what a token says of itself.
type Claims struct {
	// Subject is `<provider>|<user id>`.
	Subject string
	// Type is session or web; empty in tokens minted before April 2025.
	Type      string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// UserID is the part of the subject after `|`; the whole subject where there is
// none.
func (c Claims) UserID() string {
	_, id, found := strings.Cut(c.Subject, "|")
	if !found {
		return c.Subject
	}
	return id
}

// payload is the second part. What must be there is judged by itself, so that the
// reason can name it.
type payload struct {
	Subject    string          `json:"sub"`
	Time       string          `json:"time"`
	Randomness string          `json:"randomness"`
	Expires    json.RawMessage `json:"exp"`
	Issuer     string          `json:"iss"`
	Scope      string          `json:"scope"`
	Audience   string          `json:"aud"`
	Type       string          `json:"type"`
}

// UserID reads the user id of a token, however old it is; empty where the text is
// no such token.
func UserID(token string) string {
	p, err := read(token)
	if err != nil {
		return ""
	}
	return Claims{Subject: p.Subject}.UserID()
}

// Parse reads a token and tells why an upstream would not take it now. The
// signature is not looked at.
func Parse(token string, now time.Time) (Claims, error) {
	p, err := read(token)
	if err != nil {
		return Claims{}, err
	}
	issued, err := strconv.ParseInt(p.Time, 10, 64)
	if err != nil {
		return Claims{}, ErrIssued
	}
	expires, err := strconv.ParseInt(string(p.Expires), 10, 64)
	if err != nil {
		return Claims{}, ErrNoExpiry
	}
	claims := Claims{Subject: p.Subject, Type: p.Type, IssuedAt: time.Unix(issued, 0), ExpiresAt: time.Unix(expires, 0)}
	return claims, p.judge(claims, now)
}

// read decodes a token and judges nothing but its form.
func read(token string) (payload, error) {
	parts := strings.Split(token, ".")
	switch {
	case len(parts) != 3 || parts[2] == "":
		return payload{}, ErrParts
	case parts[0] != header:
		return payload{}, ErrHeader
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var p payload
	if err != nil || !utf8.Valid(raw) || json.Unmarshal(raw, &p) != nil {
		return payload{}, ErrPayload
	}
	return p, nil
}

func (p payload) judge(claims Claims, now time.Time) error {
	switch {
	case claims.IssuedAt.After(now):
		return ErrTooEarly
	case len(p.Randomness) != randomnessLen:
		return ErrRandomness
	case claims.ExpiresAt.Before(now):
		return ErrExpired
	case p.Issuer != issuer:
		return ErrIssuer
	case p.Scope != scope:
		return ErrScope
	case p.Audience != audience:
		return ErrAudience
	case claims.UserID() == "":
		return ErrSubject
	case p.Type == webType:
		return ErrWeb
	}
	return nil
}
