package adminapi_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"carousel.internal/gateway/internal/upstream"
	"carousel.internal/proto/service/secret"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

var (
	pending = &tokenstorev1.Login{
		Id: "l1", Upstream: "cursor", Alias: "work", Url: "https://site.example/login?uuid=u1",
		State: tokenstorev1.LoginState_LOGIN_STATE_PENDING, CreatedAt: moment, ExpiresAt: moment,
	}
	failed = &tokenstorev1.Login{
		Id: "l2", Upstream: "cursor", TokenId: "t2", State: tokenstorev1.LoginState_LOGIN_STATE_FAILED, Detail: "another account", CreatedAt: moment, ExpiresAt: moment,
	}
)

// keysOnly is a driver whose upstream has no login.
type keysOnly struct{ upstream.Driver }

// attempts is one whose upstream lets people log in.
type attempts struct {
	upstream.Driver
	upstream.Logins
}

func (attempts) NewLogin() (upstream.LoginAttempt, error) {
	return upstream.LoginAttempt{URL: pending.GetUrl(), UUID: "u1", Verifier: secret.New("the verifier")}, nil
}

// What a login asks of the store, and that nobody is told what it is redeemed with.
func TestLoginsAreStarted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		want *tokenstorev1.CreateLoginRequest
	}{
		"the least":    {`{}`, &tokenstorev1.CreateLoginRequest{Upstream: "cursor"}},
		"a new token":  {`{"upstream":"cursor","alias":"work","proxy":"socks5://u:pw@p"}`, &tokenstorev1.CreateLoginRequest{Upstream: "cursor", Alias: "work", Proxy: "socks5://u:pw@p"}},
		"a token anew": {`{"token_id":"t2"}`, &tokenstorev1.CreateLoginRequest{Upstream: "cursor", TokenId: "t2"}},
	} {
		s := newStore()
		s.answers = append([]proto.Message{theUpstreams}, s.answers...)
		w := send(t, s, "POST", "/admin/api/logins", key, c.body)
		c.want.Url, c.want.Uuid, c.want.Verifier = pending.GetUrl(), "u1", "the verifier"
		if diff := cmp.Diff(proto.Message(c.want), s.asked, protocmp.Transform()); w.Code != 201 || diff != "" {
			t.Errorf("%s: %d %s %s", name, w.Code, w.Body, diff)
		}
		if w.Header().Get("Location") != "/admin/api/logins/l1" || object(t, w.Body.Bytes())["url"] != pending.GetUrl() || object(t, w.Body.Bytes())["state"] != "pending" {
			t.Errorf("%s: %v %s", name, w.Header(), w.Body)
		}
		if told := w.Body.String() + w.log; strings.Contains(told, "verifier") || strings.Contains(told, "pw") {
			t.Errorf("%s: told %s", name, told)
		}
	}
}

func TestLoginsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body, says string
		status     int
		param      any
	}{
		"nobody can log in":       {`{"upstream":"vendor"}`, "nobody can log in to \"vendor\"", 400, "upstream"},
		"no such upstream":        {`{"upstream":"nowhere"}`, "no upstream \"nowhere\"", 404, "upstream"},
		"another one's token":     {`{"upstream":"vendor","token_id":"t2"}`, "one of \"cursor\"", 400, "upstream"},
		"a field that is unknown": {`{"verifier":"x"}`, "no such field", 400, "verifier"},
	} {
		s := newStore()
		w := send(t, s, "POST", "/admin/api/logins", key, c.body)
		_, message, param := errorCode(t, w.Body.Bytes())
		if _, created := s.asked.(*tokenstorev1.CreateLoginRequest); w.Code != c.status || !strings.Contains(message, c.says) || param != c.param || created {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestLoginsAreShown(t *testing.T) {
	t.Parallel()
	logins := object(t, send(t, newStore(), "GET", "/admin/api/logins", key, "").Body.Bytes())["logins"].([]any)
	if len(logins) != 2 {
		t.Fatalf("got %v", logins)
	}
	at := moment.AsTime().Format(time.RFC3339Nano)
	want := map[string]any{
		"id": "l2", "upstream": "cursor", "alias": "", "token_id": "t2", "url": "", "state": "failed", "detail": "another account", "created_at": at, "expires_at": at,
	}
	if diff := cmp.Diff(want, logins[1]); diff != "" {
		t.Error(diff)
	}
	if first := logins[0].(map[string]any); first["token_id"] != nil || first["detail"] != nil {
		t.Errorf("what is not there: %v", first)
	}
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	with := func(change func(*tokenstorev1.Token)) *tokenstorev1.Token {
		token := proto.CloneOf(cooling)
		change(token)
		return token
	}
	for name, c := range map[string]struct {
		secret string
		token  *tokenstorev1.Token
		status int
		says   string
	}{
		"renewed":         {"the access token", with(func(t *tokenstorev1.Token) { t.RefreshedAt = moment }), 200, `"refreshed_at":"2026`},
		"needs a login":   {"", with(func(t *tokenstorev1.Token) { t.NeedsLogin, t.RefreshError = true, "invalid_grant" }), 409, "log in again (invalid_grant)"},
		"in vain":         {"", with(func(t *tokenstorev1.Token) { t.RefreshError = "timeout" }), 503, "has come; it is tried again by itself (timeout)"},
		"nothing to tell": {"", cooling, 503, "by itself"},
	} {
		s := newStore()
		s.answers = append([]proto.Message{&tokenstorev1.RenewCredentialResponse{Secret: c.secret}, &tokenstorev1.GetTokenResponse{Token: c.token}}, s.answers...)
		w := send(t, s, "POST", "/admin/api/tokens/t2/refresh", key, "")
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || strings.Contains(w.Body.String()+w.log, "the access token") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if (len(s.kept) == 1) != (c.status == 200) {
			t.Errorf("%s: audited %v", name, s.kept)
		}
	}
}

// A refresh asks for any access token but gives up before the client does.
func TestWhatARefreshAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where no time passes on the way
		s := newStore()
		s.err = errors.New("stop here")
		send(t, s, "POST", "/admin/api/tokens/t2/refresh", key, "")
		want := &tokenstorev1.RenewCredentialRequest{Id: "t2", MaxWait: durationpb.New(20 * time.Second)}
		if diff := cmp.Diff(proto.Message(want), s.asked, protocmp.Transform()); diff != "" || s.left <= 20*time.Second {
			t.Errorf("%s, with %s left", diff, s.left)
		}
	})
}

func TestWhatATokenTellsOfItsCredential(t *testing.T) {
	t.Parallel()
	full := &tokenstorev1.Token{
		Id: "t3", Kind: tokenstorev1.CredentialKind_CREDENTIAL_KIND_LOGIN, NeedsLogin: true, RefreshError: "invalid_grant",
		RefreshedAt: moment, NextRefreshAt: moment, MaskedProxy: "http://u:•••@p:8080",
	}
	s := &store{answers: []proto.Message{&tokenstorev1.ListTokensResponse{Tokens: []*tokenstorev1.Token{full, rested}}}}
	tokens := object(t, send(t, s, "GET", "/admin/api/tokens", key, "").Body.Bytes())["tokens"].([]any)
	at := moment.AsTime().Format(time.RFC3339Nano)
	for i, want := range []map[string]any{
		{"kind": "login", "needs_login": true, "refresh_error": "invalid_grant", "refreshed_at": at, "next_refresh_at": at, "proxy": "http://u:•••@p:8080"},
		{"kind": "", "needs_login": false, "refresh_error": nil, "refreshed_at": nil, "next_refresh_at": nil, "proxy": ""},
	} {
		for name, value := range want {
			if got := tokens[i].(map[string]any)[name]; got != value {
				t.Errorf("token %d: %s is %v, want %v", i, name, got, value)
			}
		}
	}
}
