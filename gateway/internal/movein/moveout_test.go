package movein_test

import (
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/proto/rpcerr"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// What is here leaves in the form of another gateway, but for what that has no place for.
func TestMovingOut(t *testing.T) {
	t.Parallel()
	s := &store{
		export: `[
{"upstream":"relay","driver":"openai","base_url":"https://relay.example/v1","models":["gpt-5"],"settings":{"proxy":"http://proxy.example:3128"}},
{"upstream":"cursor","driver":"cursor","base_url":"https://api2.cursor.sh"},
{"token":"sk-1","upstream":"relay","alias":"first","cap":2,"weight":1,"enabled":true},
{"token":"sk-off","upstream":"relay","alias":"","cap":0,"weight":1,"enabled":false},
{"token":"eyJ","upstream":"cursor","alias":"me","cap":0,"weight":1,"enabled":true}
]`,
		routes: []*tokenstorev1.Route{{Name: "cheap", Match: "cheap", Targets: []*tokenstorev1.RouteTarget{{Upstream: "relay", Model: "gpt-5", Weight: 1}, {Upstream: "gone", Weight: 1}}}},
	}
	written, err := s.desk().Write(t.Context(), "cliproxyapi")
	if err != nil || written.Count != 3 || written.Left != 2 { // the login, and one that the store can't read
		t.Fatalf("%+v, %v", written, err)
	}
	file := string(written.File)
	for _, want := range []string{"openai-compatibility:", "base-url: https://relay.example/v1", "api-key: sk-1", "proxy-url: http://proxy.example:3128", "alias: cheap"} {
		if !strings.Contains(file, want) {
			t.Errorf("%q is not in\n%s", want, file)
		}
	}
	if strings.Contains(file, "sk-off") || strings.Contains(file, "eyJ") {
		t.Errorf("what is disabled, or Cursor's, is in\n%s", file)
	}
}

func TestMovingOutThatFails(t *testing.T) {
	t.Parallel()
	away := rpcerr.New(tokenstorev1.Reason_REASON_STORE_UNAVAILABLE, "away").GRPCStatus().Err()
	for format, c := range map[string]struct {
		store *store
		kind  chat.Kind
	}{"one-api": {&store{export: "[]"}, chat.InvalidRequest}, "litellm": {&store{err: away}, chat.StoreUnavailable}} {
		if _, err := c.store.desk().Write(t.Context(), format); chat.AsError(err).Kind != c.kind {
			t.Errorf("%s: %v", format, err)
		}
	}
}
