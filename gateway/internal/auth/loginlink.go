package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"

	"carousel.internal/gateway/internal/forwarded"
)

// LoginLinkLife is how long a login link can be followed.
const LoginLinkLife = 10 * time.Minute

// LinkVerdict is what becomes of a login link that somebody follows.
type LinkVerdict int

// The verdicts of links.
const (
	// LinkWrong: there is no such link.
	LinkWrong LinkVerdict = iota
	// LinkOpens: it has opened a session, and opens no other.
	LinkOpens
	// LinkUsed: it has opened a session before.
	LinkUsed
	// LinkExpired: its time is over.
	LinkExpired
	// LinkWaits: no session can be opened yet. The link is as good as before.
	LinkWaits
)

// loginLink is the newest link of a gate. Of its secret only the hash is kept, also when it
// has been used or has expired, so that whoever has it is told so. It is safe for concurrent
// use; the zero value is no link.
type loginLink struct {
	mu   sync.Mutex
	hash []byte
	ends time.Time
	used bool
}

// LoginLink makes the secret of a link that opens one session, within LoginLinkLife and on this
// replica, for whoever shows it instead of the admin token. The link before it is wrong from now
// on.
func (g *Gate) LoginLink() string {
	secret := rand.Text()
	hash := sha256.Sum256([]byte(secret))
	g.link.mu.Lock()
	defer g.link.mu.Unlock()
	g.link.hash, g.link.ends, g.link.used = hash[:], time.Now().Add(LoginLinkLife), false
	return secret
}

// FollowLink opens the session of a link by its secret. A wrong one counts against the client's
// address as a wrong key does: wait is zero, or how long its next one is to wait.
func (g *Gate) FollowLink(r *http.Request, secret string) (session Session, verdict LinkVerdict, wait time.Duration) {
	session, verdict = g.follow(secret, time.Now())
	if verdict == LinkWrong {
		wait = g.attempts.wrong(forwarded.Client(r))
	}
	return session, verdict, wait
}

func (g *Gate) follow(secret string, now time.Time) (Session, LinkVerdict) {
	hash := sha256.Sum256([]byte(secret))
	g.link.mu.Lock()
	defer g.link.mu.Unlock()
	switch {
	case subtle.ConstantTimeCompare(hash[:], g.link.hash) != 1:
		return Session{}, LinkWrong
	case g.link.used:
		return Session{}, LinkUsed
	case !now.Before(g.link.ends):
		return Session{}, LinkExpired
	}
	session, opened := g.Open(now)
	if !opened {
		return Session{}, LinkWaits
	}
	g.link.used = true
	return session, LinkOpens
}
