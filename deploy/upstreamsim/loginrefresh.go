package upstreamsim

import (
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// loginPaths are those with which clients log in and stay logged in.
var loginPaths = map[string]func(*Simulator, http.ResponseWriter, *http.Request){
	"/auth/exchange_user_api_key": (*Simulator).serveExchange,
	"/oauth/token":                (*Simulator).serveOAuth,
	"/loginDeepControl":           (*Simulator).serveLoginPage,
	"/auth/poll":                  (*Simulator).servePoll,
}

// pair is what a refresh is answered with.
type pair struct {
	status  int
	access  string
	refresh string // empty where the answer has none
	delay   time.Duration
	used    *rotation // nil where the token was not rotated
}

// POST /auth/exchange_user_api_key
func (s *Simulator) serveExchange(w http.ResponseWriter, r *http.Request) {
	var p problems
	p.require(r.Method == http.MethodPost, "%s: the method is %s instead of POST", r.URL.Path, r.Method)
	p.require(r.Header.Get("Content-Type") == jsonType, "%s: content-type is %q", r.URL.Path, r.Header.Get("Content-Type"))
	p.require(bearer(r) != "", "%s: authorization has no bearer", r.URL.Path)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBody))
	var object map[string]any
	p.require(err == nil && json.Unmarshal(body, &object) == nil && len(object) == 0, "%s: the body is not {}", r.URL.Path)
	if s.lookedWrong(w, r, p) {
		return
	}
	s.answerRefresh(w, r, bearer(r), func(given pair) any {
		answer := map[string]string{"accessToken": given.access}
		if given.refresh != "" {
			answer["refreshToken"] = given.refresh
		}
		return answer
	})
}

// POST /oauth/token
func (s *Simulator) serveOAuth(w http.ResponseWriter, r *http.Request) {
	var request struct {
		GrantType    string `json:"grant_type"`
		ClientID     string `json:"client_id"`
		RefreshToken string `json:"refresh_token"`
	}
	var p problems
	p.require(r.Method == http.MethodPost, "%s: the method is %s instead of POST", r.URL.Path, r.Method)
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBody)).Decode(&request)
	p.require(err == nil && request.GrantType == "refresh_token" && request.RefreshToken != "", "%s: the body asks for no refresh", r.URL.Path)
	if s.lookedWrong(w, r, p) {
		return
	}
	s.answerRefresh(w, r, request.RefreshToken, func(given pair) any {
		answer := map[string]any{"access_token": given.access, "id_token": given.access, "shouldLogout": false}
		if given.refresh != "" {
			answer["refresh_token"] = given.refresh
		}
		return answer
	})
}

// lookedWrong counts a question among the lookups, and answers one that breaks checks.
func (s *Simulator) lookedWrong(w http.ResponseWriter, r *http.Request, p problems) bool {
	s.book.Load().look(r.URL.Path, p, Violation{At: s.options.Now(), API: CursorAgent, Token: noToken})
	s.watchers.notify()
	if len(p) > 0 {
		controlAnswer(w, http.StatusBadRequest, connectError{Code: "invalid_argument", Message: "bad request"})
	}
	return len(p) > 0
}

// answerRefresh rotates and answers. Whether the client has got the answer is noted, since one
// that has not may come again.
func (s *Simulator) answerRefresh(w http.ResponseWriter, r *http.Request, token string, body func(pair) any) {
	given := s.logins.refreshed(token, connectionOf(r.Context()), r.RemoteAddr)
	s.watchers.notify()
	_ = s.pause(r.Context(), given.delay) // who has gone meanwhile is looked at next
	unanswered := r.Context().Err() != nil
	switch {
	case unanswered:
	case given.status != http.StatusOK:
		if given.status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		controlAnswer(w, given.status, connectError{Code: httpCode(given.status), Message: http.StatusText(given.status)})
	default:
		w.Header().Set("Content-Type", jsonType)
		_, err := w.Write(jsonOf(body(given)))
		unanswered = err != nil || http.NewResponseController(w).Flush() != nil || r.Context().Err() != nil
	}
	if given.used != nil && unanswered {
		s.logins.noteUnanswered(given.used)
		s.watchers.notify()
	}
}

func (l *logins) noteUnanswered(used *rotation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	used.unanswered = true
}

// refreshed is the answer to a refresh token or a user's key.
func (l *logins) refreshed(token string, connection *watchedConn, remote string) pair {
	l.mu.Lock()
	defer l.mu.Unlock()
	if account := l.byKey[token]; account != nil {
		return l.renewed(account, false, connection, remote)
	}
	account := l.byRefresh[token]
	if account == nil {
		l.counts.Refused++
		return pair{status: http.StatusUnauthorized}
	}
	if used := account.used[token]; used != nil {
		return l.usedAgain(account, used, remote)
	}
	return l.renewed(account, true, connection, remote)
}

// renewed gives another access token, and for a refresh token another one of these.
func (l *logins) renewed(account *loginAccount, rotate bool, connection *watchedConn, remote string) pair {
	settings := &account.settings
	given := pair{status: http.StatusOK, delay: time.Duration(settings.DelayMS) * time.Millisecond}
	if settings.Status != 0 && settings.Status != http.StatusOK {
		given.status = settings.Status
		if settings.Times--; settings.Times == 0 {
			settings.Status = 0
		}
		if given.status == http.StatusUnauthorized {
			l.counts.Refused++
		}
		return given
	}
	l.counts.Refreshes++
	account.lost = false
	account.access = l.mint(account)
	given.access = account.access
	switch {
	case !rotate, settings.Rotation == "silent":
	case settings.Rotation == "keep":
		given.refresh = account.refresh
	default:
		given.used = &rotation{at: l.now(), connection: connection, remote: remote}
		l.rotate(account, given.used)
		given.refresh = account.refresh
	}
	return given
}

// rotate makes the current refresh token an old one.
func (l *logins) rotate(account *loginAccount, used *rotation) {
	account.used[account.refresh] = used
	account.rotated = append(account.rotated, account.refresh)
	if len(account.rotated) > maxRotated {
		oldest := account.rotated[0]
		delete(account.used, oldest)
		delete(l.byRefresh, oldest)
		account.rotated = account.rotated[1:]
	}
	account.refresh = newRefresh()
	l.byRefresh[account.refresh] = account
}

// usedAgain answers an old refresh token: with the current pair for a while, and then never again.
func (l *logins) usedAgain(account *loginAccount, first *rotation, remote string) pair {
	now := l.now()
	double := DoubleRefresh{
		At: now, Subject: account.subject, Connection: remote, FirstAt: first.at, FirstConnection: first.remote,
		FirstUnanswered: first.unanswered, FirstClosedAt: first.connection.closed(), Refused: now.Sub(first.at) > refreshGrace,
	}
	l.counts.DoubleRefreshes++
	l.doubles = keepNewest(l.doubles, double)
	if double.Refused {
		l.counts.Refused++
		account.lost = true
		return pair{status: http.StatusUnauthorized}
	}
	return pair{status: http.StatusOK, access: account.access, refresh: account.refresh}
}
