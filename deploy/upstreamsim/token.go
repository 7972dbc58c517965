package upstreamsim

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// fingerprintLength is in hex digits.
const fingerprintLength = 16

// noToken is the ledger's name for requests without a bearer token.
const noToken = "none"

// Fingerprint names a token in ledgers and rules: the first 16 hex digits of its
// SHA-256.
func Fingerprint(token string) string { return hashOf(token)[:fingerprintLength] }

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// bearer answers the request's bearer token, or nothing.
func bearer(r *http.Request) string {
	header := r.Header.Get("Authorization")
	if len(header) <= len("Bearer ") || !strings.EqualFold(header[:len("Bearer ")], "Bearer ") {
		return ""
	}
	return header[len("Bearer "):]
}

// account is what the simulator knows of one token, and nothing that could be shown
// by mistake: the token itself is only a key of the book.
type account struct {
	counters
	fingerprint string
	hash        string // SHA-256 in hex, empty without a token
	// organization is the name of the organization that the token is of.
	organization string
	expires      time.Time
	web          bool
	signed       bool // it is a JWT of the simulator's own
	// subject is the JWT's, `<provider>|<user id>`.
	subject string
	// chats are the answers that count against the quota.
	chats atomic.Int64
	// device is the device part of the first checksum seen.
	device atomic.Pointer[string]
}

// slotName is whose Runs are counted together.
func (a *account) slotName() string { return cmp.Or(a.subject, a.fingerprint) }

// expired tells whether the token has ended, as far as it says when.
func (a *account) expired(now time.Time) bool { return !a.expires.IsZero() && !now.Before(a.expires) }

// newAccount reads what a token says of itself, which only a JWT does.
func newAccount(token string) *account {
	if token == "" || token == otherName {
		name := noToken
		if token != "" {
			name = otherName
		}
		return &account{fingerprint: name}
	}
	a := &account{hash: hashOf(token)}
	a.fingerprint = a.hash[:fingerprintLength]
	a.organization = organizationOf(token, a.fingerprint)
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return a
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return a
	}
	var claims struct {
		Expires int64  `json:"exp"`
		Type    string `json:"type"`
		Subject string `json:"sub"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return a
	}
	if claims.Expires > 0 {
		a.expires = time.Unix(claims.Expires, 0)
	}
	a.signed = parts[2] == signature(parts[0]+"."+parts[1])
	a.web, a.subject = claims.Type == "web", claims.Subject
	return a
}

func (s *Simulator) accepts(a *account) bool {
	own, revoked := s.logins.accepts(a)
	return !revoked && (own || s.accepted == nil || s.accepted[a.hash])
}

// Demo are tokens for a first try, the same at every start. They open nothing but
// a simulator.
type Demo struct {
	// Cursor are session tokens in the form of a JWT that expires in 2100.
	Cursor []string `json:"cursor"`
	// OpenAI are API keys.
	OpenAI []string `json:"openai"`
	// Anthropic are API keys of two organizations.
	Anthropic []string `json:"anthropic"`
}

// DemoTokens answers five demo tokens of each kind.
func DemoTokens() Demo {
	var demo Demo
	for n := 1; n <= 5; n++ {
		demo.Cursor = append(demo.Cursor, demoJWT(n))
		demo.OpenAI = append(demo.OpenAI, fmt.Sprintf("sk-demo-%032d", n))
		demo.Anthropic = append(demo.Anthropic, fmt.Sprintf("%sdemo%d-%032d", organizationPrefix, 1+n%2, n))
	}
	return demo
}

func demoJWT(n int) string {
	const issued, expires = 1735689600, 4102444800                                                          // 2025-01-01, 2100-01-01
	return sessionJWT(fmt.Sprintf("auth0|user_01JH000000000000000000DEM%d", n), uint64(n), issued, expires) //nolint:gosec // 1 to 5
}

// sessionJWT is a session token, whose times are in seconds since 1970.
func sessionJWT(subject string, number uint64, issued, expires int64) string {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode(fmt.Appendf(nil,
		`{"sub":"%s","time":"%d","randomness":"%08x-4e5f-6789","exp":%d,`+
			`"iss":"https://authentication.cursor.sh","scope":"openid profile email offline_access",`+
			`"aud":"https://cursor.com","type":"session"}`, subject, issued, number&0xffffffff, expires))
	return signed + "." + signature(signed)
}

// signature is that of the simulator's own tokens.
func signature(signed string) string {
	mac := hmac.New(sha256.New, []byte("carousel upstreamsim demo"))
	mac.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
