package upstreamsim

import (
	"cmp"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// lookup answers one question about an account, once its token is known. tokenOf
// and check are those of the side that it is on.
type lookup struct {
	method  string
	tokenOf func(*http.Request) string
	check   func(*Simulator, *http.Request, *account) problems
	answer  func(*Simulator, *account) (contentType string, body []byte)
}

const jsonType = "application/json"

// lookups are by path. The API wants the token as a bearer, the website as a cookie.
var lookups = map[string]*lookup{
	"/aiserver.v1.AiService/GetUserInfo": {http.MethodPost, bearer, checkUserInfo, userInfo},
	"/auth/full_stripe_profile":          {http.MethodGet, bearer, checkNothing, profile},
	"/api/usage":                         {http.MethodGet, cookieToken, checkSite, usage},
	"/api/auth/me":                       {http.MethodGet, cookieToken, checkSite, me},
}

// serveLookup answers a question about an account. It is no chat: of the ledger's
// counts only Lookups changes, and what is wrong is noted among the violations.
func (s *Simulator) serveLookup(w http.ResponseWriter, r *http.Request) {
	l := lookups[r.URL.Path]
	token := l.tokenOf(r)
	b := s.book.Load()
	a := b.tokens.get(token)
	var p problems
	p.require(r.Method == l.method, "%s: the method is %s instead of %s", r.URL.Path, r.Method, l.method)
	p.require(token != "", "%s: there is no token", r.URL.Path)
	p = append(p, l.check(s, r, a)...)
	b.look(r.URL.Path, p, Violation{At: s.options.Now(), API: Cursor, Token: a.fingerprint})
	s.watchers.notify()
	switch {
	case len(p) > 0:
		controlAnswer(w, http.StatusBadRequest, connectError{Code: "invalid_argument", Message: strings.Join(p, "; ")})
	case a.expired(s.options.Now()):
		s.logins.countExpired()
		controlAnswer(w, http.StatusUnauthorized, connectError{Code: "unauthenticated", Message: "Error"})
	case !s.accepts(a):
		controlAnswer(w, http.StatusUnauthorized, connectError{Code: "unauthenticated", Message: "Error"})
	default:
		contentType, body := l.answer(s, a)
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body) // the client may be gone
	}
}

// look notes a question and what is wrong with it.
func (b *book) look(path string, p problems, violation Violation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lookups[path]++
	if len(p) > 0 {
		b.total.violations.Add(1)
		violation.Problems = p
		b.violations = keepNewest(b.violations, violation)
	}
}

const siteCookie = "WorkosCursorSessionToken"

// cookieToken is the token of the website's cookie, <user id>%3A%3A<token>.
func cookieToken(r *http.Request) string {
	_, token := siteUser(r)
	return token
}

func siteUser(r *http.Request) (id, token string) {
	cookie, err := r.Cookie(siteCookie)
	if err != nil {
		return "", ""
	}
	id, token, _ = strings.Cut(cookie.Value, "%3A%3A")
	return id, token
}

func checkNothing(*Simulator, *http.Request, *account) problems { return nil }

func checkUserInfo(s *Simulator, r *http.Request, a *account) problems {
	var p problems
	p.header(r, "content-type", "application/proto")
	body, err := io.ReadAll(io.LimitReader(r.Body, 1))
	p.require(err == nil && len(body) == 0, "the body of GetUserInfo is not empty")
	if r.Header.Get("X-Cursor-Client-Type") == "cli" {
		return append(p, checkCLI(r)...)
	}
	return append(p, s.checkClient(r, a)...)
}

// checkCLI checks the headers of the client that speaks the agent protocol.
func checkCLI(r *http.Request) problems {
	var p problems
	p.require(r.Header.Get("Connect-Protocol-Version") == "1", "rule 3: %s: connect-protocol-version is not 1", r.URL.Path)
	p.require(r.Header.Get("X-Cursor-Client-Type") == "cli" && cliVersion.MatchString(r.Header.Get("X-Cursor-Client-Version")),
		"rule 5: %s: the client is no cli of a known version", r.URL.Path)
	p.require(r.Header.Get("X-Ghost-Mode") == "true" && isUUID(r.Header.Get("X-Request-Id")), "rule 6: %s: x-ghost-mode or x-request-id is wrong", r.URL.Path)
	return p
}

func checkSite(_ *Simulator, r *http.Request, a *account) problems {
	var p problems
	id, _ := siteUser(r)
	p.require(id != "" && id == a.userID(), "%s: the cookie's user is not the token's", r.URL.Path)
	p.require(strings.HasSuffix(r.Referer(), "/settings"), "%s: the referer is not the page of settings", r.URL.Path)
	p.require(r.Header.Get("Authorization") == "", "%s: the website is sent a bearer token", r.URL.Path)
	if r.URL.Path == "/api/usage" {
		p.require(r.URL.Query().Get("user") == id, "/api/usage: the user in the query is not the cookie's")
	}
	return p
}

// userID is the part of the subject after `|`.
func (a *account) userID() string {
	_, id, found := strings.Cut(a.subject, "|")
	if !found {
		return a.subject
	}
	return url.QueryEscape(id)
}

func userInfo(s *Simulator, a *account) (string, []byte) {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(&aiserverv1.GetUserInfoResponse{
		UserId: a.subject, Usage: &aiserverv1.UsageData{
			Gpt4Requests: int32Of(s.logins.chatsOf(a).Load()), Gpt4MaxRequests: int32Of(s.quotaOf(a).max()),
		},
	})
	if err != nil {
		panic(err) // of valid UTF-8 alone: the subject was read from JSON
	}
	return "application/proto", body
}

func int32Of(n int64) int32 { return int32(min(n, math.MaxInt32)) } //nolint:gosec // counts are not negative

func profile(s *Simulator, a *account) (string, []byte) {
	plan := cmp.Or(s.logins.settingsOf(a).Plan, s.quotaOf(a).membership())
	answer := map[string]any{
		"membershipType": plan, "verifiedStudent": false, "trialEligible": false, "trialLengthDays": 14,
		"isTeamMember": false, "individualMembershipType": plan,
	}
	if answer["membershipType"] == "pro" { // only those who pay
		answer["paymentId"], answer["subscriptionStatus"] = "cus_sim"+a.fingerprint, "active"
	}
	return jsonType, jsonOf(answer)
}

func usage(s *Simulator, a *account) (string, []byte) {
	used, quota, now := s.logins.chatsOf(a).Load(), s.quotaOf(a), s.options.Now().UTC()
	start := quota.StartOfMonth.UTC()
	if start.IsZero() {
		start = time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	family := func(requests int64, most any) map[string]any {
		return map[string]any{
			"numRequests": requests, "numRequestsTotal": requests, "numTokens": 100 * requests, "maxRequestUsage": most, "maxTokenUsage": nil,
		}
	}
	return jsonType, jsonOf(map[string]any{
		"gpt-4": family(used, quota.max()), "gpt-3.5-turbo": family(0, nil), "gpt-4-32k": family(0, 50),
		"startOfMonth": start.Format("2006-01-02T15:04:05.000Z"),
	})
}

func me(s *Simulator, a *account) (string, []byte) {
	return jsonType, jsonOf(map[string]any{
		"email": "demo-" + a.fingerprint[:4] + "@example.com", "email_verified": true, "name": "Demo " + a.fingerprint[:4],
		"sub": a.subject, "updated_at": s.options.Now().UTC().Format(time.RFC3339), "picture": nil,
	})
}

func jsonOf(value any) []byte {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err) // texts, numbers and truths always marshal
	}
	return body
}
