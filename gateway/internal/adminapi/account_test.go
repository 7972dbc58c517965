package adminapi_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

func TestAccount(t *testing.T) {
	t.Parallel()
	s := newStore()
	w := send(t, s, "GET", "/admin/api/tokens/t2/account", key, "")
	want := `{"user_id":"user_1","email":"","name":"","membership":"pro","subscription_status":"","trial_days_left":null,` +
		`"quotas":[{"name":"premium","requests":12,"max_requests":150,"tokens":345,"max_tokens":null},` +
		`{"name":"standard","requests":1,"max_requests":null,"tokens":0,"max_tokens":null}],` +
		`"quota_start":null,"quota_resets_at":"2026-01-31T12:00:00Z","as_of":"2026-01-31T12:00:00Z","error":null}`
	if w.Code != 200 || w.Body.String() != want || s.refreshed {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if send(t, s, "GET", "/admin/api/tokens/t2/account?refresh=true", key, ""); !s.refreshed {
		t.Error("no new answer was asked for")
	}
	if w := send(t, s, "GET", "/admin/api/tokens/t2/account?refresh=soon", key, ""); w.Code != 400 || !strings.Contains(w.Body.String(), `"param":"refresh"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestUpstreamThatTellsNothing(t *testing.T) {
	t.Parallel()
	s := newStore()
	s.err = chat.Errorf(chat.NotFound, "upstream \"vendor\" tells nothing")
	if w := send(t, s, "GET", "/admin/api/tokens/t2/account", key, ""); w.Code != 404 || !strings.Contains(w.Body.String(), "tells nothing") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestUserInfo(t *testing.T) {
	t.Parallel()
	lists := &tokenstorev1.ListTokensResponse{Tokens: []*tokenstorev1.Token{rested, cooling}}
	told := &tokenstorev1.TokenAccount{Quotas: []*tokenstorev1.TokenQuota{{Name: "fast", Requests: 12, MaxRequests: proto.Uint64(150)}}}
	for name, test := range map[string]struct {
		path    string
		answers []proto.Message
		status  int
		body    string
	}{
		"counted":       {"/get-user-info?alias=work", []proto.Message{lists, told}, 200, `{"usage":{"fast_requests":12,"max_fast_requests":150}}`},
		"not told":      {"/get-user-info?alias=work", []proto.Message{lists, &tokenstorev1.TokenAccount{Error: "refused"}}, 200, `{"error":"No data"}`},
		"unknown alias": {"/get-user-info?alias=wor", []proto.Message{lists, told}, 200, `{"error":"No data"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if w := send(t, &store{answers: test.answers}, "GET", test.path, key, ""); w.Code != test.status || w.Body.String() != test.body {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	if w := send(t, newStore(), "GET", "/get-user-info", key, ""); w.Code != 400 || !strings.Contains(w.Body.String(), `"param":"alias"`) {
		t.Errorf("without an alias: %d %s", w.Code, w.Body)
	}
	if w := send(t, newStore(), "GET", "/get-user-info?alias=work", "", ""); w.Code != 401 {
		t.Errorf("without the admin token: %d", w.Code)
	}
}
