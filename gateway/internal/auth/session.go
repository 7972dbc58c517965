package auth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/forwarded"
	"carousel.internal/proto/service/secret"
)

const (
	// SessionLife is how long a login lasts.
	SessionLife = 12 * time.Hour
	// CSRFHeader carries a session's CSRF token where a request changes something.
	CSRFHeader = "X-CSRF-Token"

	sessionCookie = "carousel_session"
)

// Sessions is what a gate needs to recognise the sessions of the admin pages. A
// session is stateless: a random id and its end, signed with a key that every
// replica derives from Secret and the admin token's hash. So a login holds on
// all replicas, and a new admin token ends all of them.
type Sessions struct {
	// Secret is known to every replica, and not to Redis. Of a list the first signs
	// and all verify, so that it can be changed one replica after the other. Where it
	// is empty, sessions are signed with a random key and hold on this replica only.
	Secret secret.Value
	// Revoked tells whether a session was ended before its time.
	Revoked func(id string) bool
	// Known tells whether Revoked can tell yet: until then no session holds. nil: it can.
	Known func() bool
}

// Session is one login of an admin in a browser.
type Session struct {
	// ID is random, 24 characters of base64url.
	ID      string
	Expires time.Time
	// CSRF is the token that this session's pages send with every change.
	CSRF string

	signature string
}

// UseSessions has the gate accept sessions beside bearer tokens. It is called
// before the gate is used.
func (g *Gate) UseSessions(sessions Sessions) {
	g.sessionKeys = nil
	for _, shared := range sessions.Secret.List() {
		g.sessionKeys = append(g.sessionKeys, []byte(shared.Reveal()))
	}
	if len(g.sessionKeys) == 0 {
		random := make([]byte, sha256.Size)
		_, _ = rand.Read(random) // never fails: it ends the process instead
		g.sessionKeys = [][]byte{random}
	}
	g.revoked, g.known = sessions.Revoked, sessions.Known
}

// Admit judges a request for what only the admin may do: by its bearer token
// where it has an Authorization header, else by its session. With a session, a
// request that is not of a safe method must come from the site's own pages and
// carry the session's CSRF token in the header X-CSRF-Token. The answer is nil,
// or the error for the client.
func (g *Gate) Admit(r *http.Request) error {
	if session, ok := g.sessionAlone(r); ok {
		return session.Permit(r, r.Header.Get(CSRFHeader))
	}
	return g.Authorize(r)
}

// Kind is the kind of caller as whom a request would be let in where only the admin may; empty:
// none. It counts nothing.
func (g *Gate) Kind(r *http.Request) caller.Kind {
	if _, ok := g.sessionAlone(r); ok {
		return caller.Session
	}
	if g.Check(r.Header.Get(authorizationHeader)) == Granted {
		return caller.Admin
	}
	return ""
}

// AdmitChange is Admit for a request that changes something although its method
// says otherwise.
func (g *Gate) AdmitChange(r *http.Request) error {
	if session, ok := g.sessionAlone(r); ok {
		return session.confirm(r.Header.Get(CSRFHeader))
	}
	return g.Authorize(r)
}

// sessionAlone is the session of a request that has no Authorization header: with one,
// the header counts.
func (g *Gate) sessionAlone(r *http.Request) (Session, bool) {
	if r.Header.Get(authorizationHeader) != "" {
		return Session{}, false
	}
	return g.Session(r)
}

// Open begins a session. It is for whoever has shown the admin token; while that, or which
// sessions hold, is not known there is none.
func (g *Gate) Open(now time.Time) (Session, bool) {
	var id [18]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the process instead
	if len(g.sessionKeys) == 0 {
		return Session{}, false
	}
	return g.sign(g.sessionKeys[0], base64.RawURLEncoding.EncodeToString(id[:]), now.Add(SessionLife).Truncate(time.Second))
}

// Session answers the valid session of a request, if there is one.
func (g *Gate) Session(r *http.Request) (Session, bool) {
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return Session{}, false
	}
	return g.read(cookie.Value, time.Now())
}

// read checks a cookie's value: `<id>.<end in Unix seconds>.<signature>`.
func (g *Gate) read(value string, now time.Time) (Session, bool) {
	parts := strings.Split(value, ".")
	if len(parts) != 3 {
		return Session{}, false
	}
	end, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return Session{}, false
	}
	for _, key := range g.sessionKeys {
		session, ok := g.sign(key, parts[0], time.Unix(end, 0))
		if !ok || !hmac.Equal([]byte(value), []byte(session.value())) {
			continue
		}
		if !now.Before(session.Expires) || g.revoked != nil && g.revoked(session.ID) {
			return Session{}, false
		}
		return session, true
	}
	return Session{}, false
}

// sign makes the session with this id and end, whether it was ever opened or
// not.
func (g *Gate) sign(key []byte, id string, end time.Time) (Session, bool) {
	admin := g.adminHash()
	if len(admin) != sha256.Size || g.known != nil && !g.known() {
		return Session{}, false
	}
	session := Session{ID: id, Expires: end}
	session.signature = mac(key, admin, "carousel session", id+"."+strconv.FormatInt(end.Unix(), 10))
	session.CSRF = mac(key, admin, "carousel csrf", id)
	return session, true
}

// mac signs text with the key for one purpose.
func mac(shared, admin []byte, purpose, text string) string {
	key, err := hkdf.Key(sha256.New, shared, admin, purpose, sha256.Size)
	if err != nil { // only for keys longer than HKDF can make
		panic(err)
	}
	signed := hmac.New(sha256.New, key)
	_, _ = signed.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(signed.Sum(nil))
}

// Name is the session as logs and pages may show it: too little of its id to be
// of use to anybody.
func (s Session) Name() string { return s.ID[:min(len(s.ID), 6)] }

func (s Session) value() string {
	return s.ID + "." + strconv.FormatInt(s.Expires.Unix(), 10) + "." + s.signature
}

// Permit tells whether the request may be carried out with the session: nil for
// a safe method, and for one that comes from the site's own pages with the
// session's CSRF token.
func (s Session) Permit(r *http.Request, csrf string) error {
	if safe(r.Method) {
		return nil
	}
	if err := SameOrigin(r); err != nil {
		return err
	}
	return s.confirm(csrf)
}

// confirm wants what only this session's pages know.
func (s Session) confirm(csrf string) error {
	if !hmac.Equal([]byte(csrf), []byte(s.CSRF)) {
		return chat.Errorf(chat.Forbidden, "the page's CSRF token is missing or not this session's: reload the page and try again")
	}
	return nil
}

// SameOrigin refuses what a page of another origin makes a browser send. What
// has neither Sec-Fetch-Site nor Origin was not sent by a page.
func SameOrigin(r *http.Request) error {
	if new(http.CrossOriginProtection).Check(r) != nil {
		return chat.Errorf(chat.Forbidden, "the request comes from a page of another site")
	}
	return nil
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// Cookie carries the session to the browser that logged in with r.
func (s Session) Cookie(r *http.Request) *http.Cookie {
	return cookie(r, s.value(), int(SessionLife.Seconds()))
}

// NoCookie has the browser forget its session.
func NoCookie(r *http.Request) *http.Cookie { return cookie(r, "", -1) }

// cookie is for the whole site: the chat route takes it too, for the page that
// tries it out.
func cookie(r *http.Request, value string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // secure wherever the browser would keep it
		Name: cookieName(r), Value: value, MaxAge: maxAge, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: forwarded.Encrypted(r),
	}
}

// cookieName is that of the session's cookie. Over HTTPS it has the prefix with which
// browsers take it from this host alone, and not from one beside it.
func cookieName(r *http.Request) string {
	if forwarded.Encrypted(r) {
		return "__Host-" + sessionCookie
	}
	return sessionCookie
}
