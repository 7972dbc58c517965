// Package auth decides whose a request is: the admin's, by the admin token or by a session that was
// opened with it; that of a client key's holder; or that of who brings a token. It knows nothing of
// routes, and never a token's text when only its hash is stored.
package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/forwarded"
	"carousel.internal/proto/service/secret"
)

// Verdict is the result of a check.
type Verdict int

// The verdicts.
const (
	// Refused: a key was sent, and it is wrong.
	Refused Verdict = iota
	// Missing: no bearer token was sent.
	Missing
	// Unknown: nothing to compare with yet: no token is configured, and the
	// stored hash has not arrived.
	Unknown
	// Granted: it is the admin token.
	Granted
)

// Gate compares bearer tokens with the admin token. It is safe for concurrent
// use.
type Gate struct {
	configured []byte
	stored     func() []byte
	// sessionKeys are those of sessions: the first signs, all verify; without one
	// there are no sessions.
	sessionKeys [][]byte
	revoked     func(id string) bool
	known       func() bool
	attempts    *attempts
	keys        Keys
	link        loginLink
}

// New makes a gate for the configured token. Where that is empty, the gate asks
// stored for the SHA-256 hash of the generated one; it answers nil while it is
// not known.
func New(configured secret.Value, stored func() []byte) *Gate {
	gate := &Gate{stored: stored, attempts: newAttempts(time.Now)}
	if !configured.Empty() {
		gate.configured = Hash(configured)
	}
	return gate
}

// Check judges the value of an Authorization header, and counts nothing. It compares
// hashes, so its time tells nothing of how much of a token is right.
func (g *Gate) Check(authorization string) Verdict {
	token, ok := bearer(authorization)
	if !ok {
		return Missing
	}
	if len(g.adminHash()) != sha256.Size {
		return Unknown
	}
	if g.is(token) {
		return Granted
	}
	return Refused
}

// adminHash is what the admin token hashes to; nil while it is not known.
func (g *Gate) adminHash() []byte {
	if g.configured != nil {
		return g.configured
	}
	return g.stored()
}

// is tells whether a text is the admin token; while that is not known, no text is.
func (g *Gate) is(token string) bool {
	got := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(got[:], g.adminHash()) == 1
}

// Authorize is Check of a request's bearer token as an error for the client; nil when
// it is granted. A wrong one counts against the client's address.
func (g *Gate) Authorize(r *http.Request) error {
	switch g.Check(r.Header.Get(authorizationHeader)) {
	case Granted:
		return nil
	case Missing:
		return errMissing(r)
	case Unknown:
		return chat.Errorf(chat.StoreUnavailable, "keys can't be checked yet: the tokenstore has not told the admin token")
	default:
		return g.refuseAsAdmin(r)
	}
}

// refuseAsAdmin returns the error for a key that is not the admin token. A client key is told that
// it is one, and does not count as wrong.
func (g *Gate) refuseAsAdmin(r *http.Request) error {
	text, _ := bearer(r.Header.Get(authorizationHeader))
	secret, _, is := clientSecret(text)
	if !is {
		return g.refuse(r, errWrong(text))
	}
	key, err := g.keyOf(r, secret, time.Now())
	if err != nil {
		return err
	}
	return refusedKey(caller.NotForKeys, key, "this takes the admin token, and a client key was sent; GET /v1/key tells what that may do")
}

// refuse counts a wrong key. Where there were too many, that is what the client is told.
func (g *Gate) refuse(r *http.Request, wrong *chat.Error) error {
	if wait := g.attempts.wrong(forwarded.Client(r)); wait > 0 {
		wrong = chat.Errorf(chat.TooManyAttempts, "too many wrong keys came from this address; a right one is taken at any time")
		wrong.RetryAfter = wait
	}
	wrong.Err = &caller.Refusal{Reason: caller.WrongKey}
	return wrong
}

// Login judges the token that the login page was given. A wrong one counts against the
// client's address: wait is zero, or how long its next one is to wait.
func (g *Gate) Login(r *http.Request, token string) (verdict Verdict, wait time.Duration) {
	verdict = g.Check(scheme + token)
	if verdict == Refused {
		wait = g.attempts.wrong(forwarded.Client(r))
	}
	return verdict, wait
}

// Generate makes an admin token of 256 random bits.
func Generate() secret.Value {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: it ends the process instead
	return secret.New("sk-carousel-" + base64.RawURLEncoding.EncodeToString(random[:]))
}

// Hash is what may be stored of a token. It needs no salt: a generated token
// can't be guessed, and a configured one is never stored.
func Hash(token secret.Value) []byte {
	sum := sha256.Sum256([]byte(token.Reveal()))
	return sum[:]
}
