package cursor

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
)

const sessionToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhdXRoMHx1c2VyXzAxSkgwMDAwMDAwMDAwMDAwMDAwMDAwMDAwIiwidGltZSI6IjE3MzU2ODk2MDAiLCJyYW5kb21uZXNzIjoiMGExYjJjM2QtNGU1Zi02Nzg5IiwiZXhwIjo0MTAyNDQ0ODAwLCJpc3MiOiJodHRwczovL2F1dGhlbnRpY2F0aW9uLmN1cnNvci5zaCIsInNjb3BlIjoib3BlbmlkIHByb2ZpbGUgZW1haWwgb2ZmbGluZV9hY2Nlc3MiLCJhdWQiOiJodHRwczovL2N1cnNvci5jb20iLCJ0eXBlIjoic2Vzc2lvbiJ9.sukW53-07-i9oa2C4ROxVw026FlqG3bFUi_dRGhcqkg"

// userInfoVector is an answer of GetUserInfo as the upstream sends it: 12 of 150.
const userInfoVector = "0a0c61757468307c757365725f781a05100c189601"

// answers is an upstream that answers by path.
type answers map[string]func(w http.ResponseWriter, r *http.Request)

func text(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func allAnswers(t *testing.T) answers {
	t.Helper()
	vector, err := hex.DecodeString(userInfoVector)
	if err != nil {
		t.Fatal(err)
	}
	return answers{
		userInfoPath: text(200, string(vector)),
		profilePath:  text(200, `{"membershipType":"pro","subscriptionStatus":"active","paymentId":"cus_1","verifiedStudent":false}`),
		usagePath: text(200, `{"gpt-4":{"numRequests":12,"numRequestsTotal":13,"numTokens":345,"maxRequestUsage":150,"maxTokenUsage":null},
			"gpt-3.5-turbo":{"numRequests":-1,"numTokens":0,"maxRequestUsage":null},"startOfMonth":"2026-01-02T03:04:05.000Z"}`),
		mePath: text(200, `{"email":"a@example.com","email_verified":true,"name":"A B","sub":"auth0|user_x","updated_at":"2026-01-01T00:00:00Z","picture":null}`),
	}
}

// accountOf asks an upstream whose website is the same host.
func accountOf(t *testing.T, routes answers, token string, settings map[string]string) (upstream.Account, error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := routes[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	if settings == nil {
		settings = map[string]string{"site_url": server.URL + "/"}
	}
	made, err := New(upstream.Config{BaseURL: server.URL, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	accounts, ok := made.(upstream.Accounts)
	if !ok {
		t.Fatal("the driver tells nothing of accounts")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return accounts.Account(ctx, upstream.Credential{Secret: secret.New(token), DeviceID: device, MACHash: mac}, upstream.Options{ClientVersion: "0.45.0"})
}

func TestAccount(t *testing.T) {
	t.Parallel()
	got, err := accountOf(t, allAnswers(t), sessionToken, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.UserID != "user_x" || got.Email != "a@example.com" || got.Name != "A B" || got.Membership != "pro" ||
		got.SubscriptionStatus != "active" || got.TrialDaysLeft != nil || !got.QuotaStart.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("%+v", got)
	}
	if quotas := shownQuotas(got); quotas != "premium 12/150 345/- standard 0/- 0/-" {
		t.Errorf("quotas %s", quotas)
	}
}

func shownQuotas(account upstream.Account) string {
	var shown []string
	most := func(n *uint64) string {
		if n == nil {
			return "-"
		}
		return fmt.Sprint(*n)
	}
	for _, q := range account.Quotas {
		shown = append(shown, fmt.Sprintf("%s %d/%s %d/%s", q.Name, q.Requests, most(q.MaxRequests), q.Tokens, most(q.MaxTokens)))
	}
	return strings.Join(shown, " ")
}

// The API is asked as whoever chats: each protocol has a client of its own, and headers that the
// other one's has not.
func TestAccountIsAskedForAsTheProtocolsClient(t *testing.T) {
	t.Parallel()
	for protocol, has := range map[string]map[string]bool{
		chatProtocol:  {"X-Amzn-Trace-Id": true, "X-Cursor-Checksum": true, "X-Client-Key": true, "X-Cursor-Timezone": true, "X-Cursor-Client-Type": false},
		agentProtocol: {"X-Amzn-Trace-Id": false, "X-Cursor-Checksum": false, "X-Client-Key": false, "X-Cursor-Timezone": false, "X-Cursor-Client-Type": true},
	} {
		var seen http.Header
		routes := allAnswers(t)
		answer := routes[userInfoPath]
		routes[userInfoPath] = func(w http.ResponseWriter, r *http.Request) {
			seen = r.Header
			answer(w, r)
		}
		if _, err := accountOf(t, routes, sessionToken, map[string]string{"protocol": protocol}); err != nil {
			t.Fatal(err)
		}
		for name, want := range has {
			if got := seen.Get(name); (got != "") != want {
				t.Errorf("%s: %s is %q", protocol, name, got)
			}
		}
		if id := seen.Get("X-Request-Id"); id == "" || has["X-Amzn-Trace-Id"] && seen.Get("X-Amzn-Trace-Id") != "Root="+id {
			t.Errorf("%s: the request %q has the trace %q", protocol, id, seen.Get("X-Amzn-Trace-Id"))
		}
	}
}

func TestAccountWithoutAWebsite(t *testing.T) {
	t.Parallel()
	routes := allAnswers(t)
	for _, path := range []string{usagePath, mePath} {
		routes[path] = func(http.ResponseWriter, *http.Request) { t.Errorf("%s was asked", path) }
	}
	routes[profilePath] = text(200, `{"membershipType":"free_trial","daysRemainingOnTrial":3}`)
	got, err := accountOf(t, routes, "sk-no-session-token", map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	if shownQuotas(got) != "fast 12/150 0/-" || got.UserID != "user_x" || got.TrialDaysLeft == nil || *got.TrialDaysLeft != 3 {
		t.Errorf("%+v, %s", got, shownQuotas(got))
	}
}

func TestWhatIsAskedAboutAnAccount(t *testing.T) {
	t.Parallel()
	routes := allAnswers(t)
	check := func(path string, want func(r *http.Request) bool) {
		answer := routes[path]
		routes[path] = func(w http.ResponseWriter, r *http.Request) {
			if !want(r) {
				t.Errorf("%s %s: %v", r.Method, r.URL, r.Header)
			}
			answer(w, r)
		}
	}
	const id = "user_01JH0000000000000000000000"
	bearer := "Bearer " + sessionToken
	cookie := "WorkosCursorSessionToken=" + id + "%3A%3A" + sessionToken
	check(userInfoPath, func(r *http.Request) bool {
		body, err := io.ReadAll(r.Body)
		return err == nil && len(body) == 0 && r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/proto" &&
			r.Header.Get("Authorization") == bearer && strings.HasSuffix(r.Header.Get("X-Cursor-Checksum"), device+"/"+mac) &&
			r.Header.Get("X-Cursor-Client-Version") == "0.45.0" && r.Header.Get("Cookie") == ""
	})
	check(profilePath, func(r *http.Request) bool {
		return r.Method == http.MethodGet && r.Header.Get("Authorization") == bearer && r.Header.Get("Cookie") == ""
	})
	check(usagePath, func(r *http.Request) bool {
		return r.Method == http.MethodGet && r.URL.RawQuery == "user="+id && r.Header.Get("Cookie") == cookie &&
			r.Header.Get("Authorization") == "" && strings.HasSuffix(r.Header.Get("Referer"), "/settings")
	})
	check(mePath, func(r *http.Request) bool {
		return r.Header.Get("Cookie") == cookie && r.Header.Get("Authorization") == ""
	})
	if _, err := accountOf(t, routes, sessionToken, nil); err != nil {
		t.Error(err)
	}
}

func TestAccountThatIsToldInPart(t *testing.T) {
	t.Parallel()
	routes := allAnswers(t)
	routes[userInfoPath] = text(401, `{"code":"unauthenticated","message":"Error","details":[{"debug":{"error":"ERROR_NOT_LOGGED_IN","details":{"title":"Not logged in.","detail":"Log in with `+sessionToken+`"}},"value":""}]}`)
	routes[usagePath] = text(200, "<html>Log in</html>")
	routes[mePath] = func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://evil.example/", http.StatusFound)
	}
	got, err := accountOf(t, routes, sessionToken, nil)
	if err == nil || got.Membership != "pro" || len(got.Quotas) != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, want := range []string{"requests: Not logged in", "usage: the answer is unreadable", "user: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
	if strings.Contains(err.Error(), "eyJ") || strings.Contains(err.Error(), "<html>") || strings.Contains(err.Error(), "profile") {
		t.Errorf("%q", err)
	}
}

func TestAccountThatIsNotTold(t *testing.T) {
	t.Parallel()
	long := text(200, `{"membershipType":"`+strings.Repeat("x", 2<<20)+`"}`)
	routes := answers{userInfoPath: text(500, ""), profilePath: long}
	got, err := accountOf(t, routes, "no session token", nil)
	if err == nil || got.UserID != "" || got.Membership != "" || got.Quotas != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWebsite(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config upstream.Config
		site   string
	}{
		"the real one":        {upstream.Config{}, "https://www.cursor.com"},
		"the real one, named": {upstream.Config{BaseURL: "https://api2.cursor.sh/"}, "https://www.cursor.com"},
		"of another base":     {upstream.Config{BaseURL: "http://localhost:8090"}, ""},
		"named":               {upstream.Config{BaseURL: "http://localhost:8090", Settings: map[string]string{"site_url": "http://localhost:8091/"}}, "http://localhost:8091"},
	} {
		made, err := New(test.config)
		if err != nil {
			t.Fatal(err)
		}
		if got := made.(*driver).settings.site; got != test.site {
			t.Errorf("%s: %q", name, got)
		}
		made.Close()
	}
	if _, err := New(upstream.Config{Settings: map[string]string{"site_url": "ftp://x"}}); err == nil || !strings.HasPrefix(err.Error(), "settings.site_url: ") {
		t.Errorf("%v", err)
	}
}
