package upstreamsim

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	aiserverv1 "carousel.internal/proto/cursor/aiserver/v1"
)

// lookUp asks about an account as the real client does.
func lookUp(t *testing.T, server *httptest.Server, path, token string, change func(*http.Request)) received {
	t.Helper()
	id := newAccount(token).userID()
	method, target := http.MethodGet, server.URL+path
	if strings.HasPrefix(path, "/aiserver.") {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(deadline(t), method, target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case strings.HasPrefix(path, "/api/"):
		r.Header.Set("Cookie", "WorkosCursorSessionToken="+id+"%3A%3A"+token)
		r.Header.Set("Referer", server.URL+"/settings")
	default:
		r.Header = cursorRequest(context.Background(), t, server.URL, token, chatRequest("gpt-4o", human("Hi"))).Header
		r.Header.Set("Content-Type", "application/proto")
	}
	if path == "/api/usage" {
		r.URL.RawQuery = "user=" + id
	}
	if change != nil {
		change(r)
	}
	return roundTrip(t, server, r)
}

// chatWith sends one chat with a token.
func chatWith(t *testing.T, server *httptest.Server, token string) frames {
	t.Helper()
	got := roundTrip(t, server, cursorRequest(deadline(t), t, server.URL, token, chatRequest("gpt-4o", human("Hi"))))
	decoded, err := decodeFrames(got.body)
	if got.err != nil || err != nil {
		t.Fatal(got.err, err)
	}
	return decoded
}

func TestAccountsGrowWithTheirChats(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{})
	tokens := DemoTokens().Cursor
	for range 3 {
		chatWith(t, server, tokens[0])
	}
	for i, want := range []int32{3, 0} {
		var info aiserverv1.GetUserInfoResponse
		if err := proto.Unmarshal(lookUp(t, server, "/aiserver.v1.AiService/GetUserInfo", tokens[i], nil).body, &info); err != nil {
			t.Fatal(err)
		}
		if info.GetUsage().GetGpt4Requests() != want || info.GetUsage().GetGpt4MaxRequests() != unlimitedMax || !strings.HasPrefix(info.GetUserId(), "auth0|user_") {
			t.Errorf("token %d: %v", i, &info)
		}
		var used map[string]any
		if err := json.Unmarshal(lookUp(t, server, "/api/usage", tokens[i], nil).body, &used); err != nil {
			t.Fatal(err)
		}
		if family, _ := used["gpt-4"].(map[string]any); family["numRequests"] != float64(want) {
			t.Errorf("token %d: %v", i, used)
		}
	}
	ledger := sim.Ledger()
	if ledger.Total.Requests != 3 || ledger.Lookups["/api/usage"] != 2 || ledger.Lookups["/aiserver.v1.AiService/GetUserInfo"] != 2 {
		t.Errorf("%+v", ledger)
	}
	noViolations(t, sim)
}

func TestAccountAnswers(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{Quota: Quota{Limit: 150}})
	token := DemoTokens().Cursor[0]
	for path, want := range map[string]string{
		"/auth/full_stripe_profile": `"membershipType":"pro"`,
		"/api/usage":                `"maxRequestUsage":150`,
		"/api/auth/me":              `"email":"demo-`,
	} {
		if got := lookUp(t, server, path, token, nil); got.status != 200 || !strings.Contains(string(got.body), want) {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
	if err := sim.SetQuota(Quota{Error: 9}); err != nil {
		t.Fatal(err)
	}
	if got := lookUp(t, server, "/auth/full_stripe_profile", token, nil); !strings.Contains(string(got.body), `"membershipType":"free"`) || strings.Contains(string(got.body), "paymentId") {
		t.Errorf("%s", got.body)
	}
	noViolations(t, sim)
}

// The bytes are those of a real answer: 12 requests of 150.
func TestUserInfoVector(t *testing.T) {
	t.Parallel()
	sim := New(Options{Quota: Quota{Limit: 150}})
	defer sim.Close()
	a := &account{subject: "auth0|user_x"}
	a.chats.Store(12)
	if _, body := userInfo(sim, a); hex.EncodeToString(body) != "0a0c61757468307c757365725f781a05100c189601" {
		t.Errorf("%x", body)
	}
}

func TestAccountLookupsAreChecked(t *testing.T) {
	t.Parallel()
	demo := DemoTokens().Cursor
	for name, test := range map[string]struct {
		path   string
		change func(*http.Request)
		says   string
	}{
		"no bearer":          {"/auth/full_stripe_profile", func(r *http.Request) { r.Header.Del("Authorization") }, "there is no token"},
		"no cookie":          {"/api/auth/me", func(r *http.Request) { r.Header.Del("Cookie") }, "there is no token"},
		"another's cookie":   {"/api/auth/me", func(r *http.Request) { r.Header.Set("Cookie", "WorkosCursorSessionToken=user_1%3A%3A"+demo[1]) }, "user is not the token's"},
		"no referer":         {"/api/auth/me", func(r *http.Request) { r.Header.Del("Referer") }, "referer"},
		"a bearer as well":   {"/api/usage", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+demo[0]) }, "is sent a bearer"},
		"another's usage":    {"/api/usage", func(r *http.Request) { r.URL.RawQuery = "user=user_1" }, "not the cookie's"},
		"another method":     {"/api/usage", func(r *http.Request) { r.Method = http.MethodPost }, "instead of GET"},
		"the streaming type": {"/aiserver.v1.AiService/GetUserInfo", func(r *http.Request) { r.Header.Set("Content-Type", "application/connect+proto") }, "content-type"},
		"no checksum":        {"/aiserver.v1.AiService/GetUserInfo", func(r *http.Request) { r.Header.Del("X-Cursor-Checksum") }, "x-cursor-checksum"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, server := serving(t, Options{})
			got := lookUp(t, server, test.path, demo[0], test.change)
			violations := sim.Ledger().Violations
			if got.status != http.StatusBadRequest || len(violations) != 1 || !strings.Contains(fmt.Sprint(violations[0].Problems), test.says) {
				t.Errorf("%d %s, %+v", got.status, got.body, violations)
			}
			if strings.Contains(string(got.body)+fmt.Sprint(violations), "eyJ") {
				t.Error("the token is in the answer or in the ledger")
			}
		})
	}
	sim, server := serving(t, Options{Tokens: demo[1:]})
	if got := lookUp(t, server, "/auth/full_stripe_profile", demo[0], nil); got.status != http.StatusUnauthorized {
		t.Errorf("an unknown token: %d", got.status)
	}
	noViolations(t, sim)
}

func TestQuota(t *testing.T) {
	t.Parallel()
	sim, server := serving(t, Options{Quota: Quota{Limit: 2}})
	tokens := DemoTokens().Cursor
	refusal := func(got frames) string {
		if got.end == success {
			return ""
		}
		_, details := decodeTrailer(t, got.end)
		return details.GetError().String()
	}
	for i, want := range []string{"", "", "ERROR_PRO_USER_USAGE_LIMIT", "ERROR_PRO_USER_USAGE_LIMIT"} {
		if got := refusal(chatWith(t, server, tokens[0])); got != want {
			t.Errorf("chat %d: %q, want %q", i, got, want)
		}
	}
	if got := refusal(chatWith(t, server, tokens[1])); got != "" {
		t.Errorf("another token: %s", got)
	}
	post := func(body string) int {
		r, err := http.NewRequestWithContext(deadline(t), http.MethodPost, server.URL+"/sim/quota", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return roundTrip(t, server, r).status
	}
	if status := post(`{"limit":2,"error":8}`); status != http.StatusNoContent {
		t.Errorf("status %d", status)
	}
	if got := refusal(chatWith(t, server, tokens[0])); got != "ERROR_PRO_USER_RATE_LIMIT_EXCEEDED" {
		t.Errorf("%s", got)
	}
	if status := post(`{"limit":-1}`); status != http.StatusBadRequest {
		t.Errorf("status %d", status)
	}
	sim.Reset()
	if got := refusal(chatWith(t, server, tokens[0])); got != "" {
		t.Errorf("after a reset: %s", got)
	}
}
