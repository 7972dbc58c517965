package upstreamsim

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
)

// attempt is a login under way. It is known from when its page is opened.
type attempt struct {
	challenge string
	account   *loginAccount // who has logged in, nil before
	over      bool          // the tokens were fetched
}

// loginForm is the page on which somebody logs in.
var loginForm = template.Must(template.New("login").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Log in (simulator)</title></head><body>
<h1>Log in</h1>
<p>A client wants to use an account. An empty subject makes a new one.</p>
<form method="post" action="/loginDeepControl">
<input type="hidden" name="uuid" value="{{.UUID}}">
<input type="hidden" name="challenge" value="{{.Challenge}}">
<label>Subject <input name="account" id="account"></label>
<button type="submit" id="approve">Yes, log in</button>
</form></body></html>
`))

// serveLoginPage shows the page of a login, and approves it.
func (s *Simulator) serveLoginPage(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxControlBody)
	uuid, challenge := r.FormValue("uuid"), r.FormValue("challenge")
	sum, err := base64.RawURLEncoding.DecodeString(challenge)
	var p problems
	p.require(isUUID(uuid), "/loginDeepControl: uuid is not a UUID")
	p.require(err == nil && len(sum) == sha256.Size, "/loginDeepControl: challenge is not the SHA-256 of a verifier")
	if r.Method == http.MethodGet {
		p.require(r.FormValue("mode") == "login" && r.FormValue("redirectTarget") == "cli", "/loginDeepControl: mode or redirectTarget is wrong")
	}
	if s.lookedWrong(w, r, p) {
		return
	}
	switch {
	case !s.logins.open(uuid, challenge):
		http.Error(w, "This login is over.", http.StatusGone)
	case r.Method == http.MethodPost && !s.logins.approve(uuid, r.PostFormValue("account")):
		http.Error(w, "There is no such account.", http.StatusBadRequest)
	case r.Method == http.MethodPost:
		_, _ = w.Write([]byte("<!DOCTYPE html><title>Logged in</title><p>You are logged in. You can close this page.</p>\n"))
	default:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = loginForm.Execute(w, struct{ UUID, Challenge string }{uuid, challenge}) // the client may be gone
	}
}

// open begins an attempt, unless it is over or has another challenge.
func (l *logins) open(uuid, challenge string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.attempts[uuid]; known != nil {
		return known.challenge == challenge && !known.over
	}
	if len(l.attempts) >= maxAttempts {
		return false
	}
	l.attempts[uuid] = &attempt{challenge: challenge}
	return true
}

// approve lets an account log in; an empty subject makes one.
func (l *logins) approve(uuid, subject string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	account := l.accounts[subject]
	if subject == "" && len(l.accounts) < maxAccounts {
		account = l.create(AccountSettings{})
	}
	if account == nil {
		return false
	}
	l.attempts[uuid].account = account
	return true
}

// GET /auth/poll
func (s *Simulator) servePoll(w http.ResponseWriter, r *http.Request) {
	uuid, verifier := r.FormValue("uuid"), r.FormValue("verifier")
	var p problems
	p.require(r.Method == http.MethodGet, "/auth/poll: the method is %s instead of GET", r.Method)
	p.require(isUUID(uuid), "/auth/poll: uuid is not a UUID")
	p.require(len(verifier) == 43, "/auth/poll: the verifier has %d characters instead of 43", len(verifier))
	if s.lookedWrong(w, r, p) {
		return
	}
	status, answer := s.logins.poll(uuid, verifier)
	s.watchers.notify()
	if status != http.StatusOK {
		controlAnswer(w, status, map[string]string{"error": http.StatusText(status)})
		return
	}
	controlAnswer(w, status, answer)
}

// poll answers the tokens of a login, once.
func (l *logins) poll(uuid, verifier string) (status int, answer map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.polls) > 0 {
		status, l.polls = l.polls[0], l.polls[1:]
		return status, nil
	}
	login := l.attempts[uuid]
	if login == nil {
		return http.StatusNotFound, nil
	}
	sum := sha256.Sum256([]byte(verifier))
	switch {
	case login.challenge != base64.RawURLEncoding.EncodeToString(sum[:]):
		return http.StatusForbidden, nil
	case login.over:
		return http.StatusGone, nil
	case login.account == nil:
		return http.StatusNotFound, nil
	}
	login.over = true
	l.counts.Logins++
	account := login.account
	account.lost = false
	delete(l.byRefresh, account.refresh) // a login has a session of its own
	account.refresh = newRefresh()
	l.byRefresh[account.refresh] = account
	account.access = l.mint(account)
	return http.StatusOK, map[string]string{
		"accessToken": account.access, "refreshToken": account.refresh, "authId": account.subject, "authType": "auth0",
	}
}

// SetPolls has the next polls of logins answered with these statuses.
func (s *Simulator) SetPolls(statuses []int) {
	s.logins.mu.Lock()
	defer s.logins.mu.Unlock()
	s.logins.polls = statuses
}
