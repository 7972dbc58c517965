package httpapi_test

import (
	"context"
	"iter"
	"net/http"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/caller"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/httpapi"
	"carousel.internal/gateway/internal/lease"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// chooser is a relay that notes what callers choose.
type chooser struct {
	relay
	choice lease.Choice
}

func (r *chooser) Chat(_ context.Context, _ *chat.Request, _ caller.Caller, choice lease.Choice) iter.Seq2[chat.Event, error] {
	r.choice = choice
	return func(yield func(chat.Event, error) bool) {
		for _, event := range greeting {
			if !yield(event, nil) {
				return
			}
		}
	}
}

func TestChosenAliasReachesTheRelay(t *testing.T) {
	t.Parallel()
	noted := &chooser{}
	e := newEdge(t, noted, func(deps *httpapi.Deps) {
		deps.Settings = func() *tokenstorev1.Settings { return &tokenstorev1.Settings{EnableAliasPinning: true} }
	})
	for _, body := range []string{hello, helloStream} {
		r := request(t, http.MethodPost, "/v1/chat/completions", key, body)
		r.Header.Set("X-Carousel-Alias", "my%20work")
		if w := do(t, e, r); w.Code != 200 || noted.choice.Alias != "my work" {
			t.Errorf("%d, %+v", w.Code, noted.choice)
		}
	}
}

// While own tokens are off, one looks to the gateway like any wrong key; and
// whatever the setting, the log has none.
func TestOwnTokensAreOffUnlessEnabled(t *testing.T) {
	t.Parallel()
	own := "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.x,paaotc3J" + strings.Repeat("a", 64)
	for _, settings := range []*tokenstorev1.Settings{nil, {}, {EnableOwnTokens: true}} {
		noted := &chooser{}
		e := newEdge(t, noted, func(deps *httpapi.Deps) { deps.Settings = func() *tokenstorev1.Settings { return settings } })
		w := do(t, e, request(t, http.MethodPost, "/v1/chat/completions", own, hello))
		body := w.Body.String()
		if w.Code != http.StatusUnauthorized || !strings.Contains(body, `"code":"unauthorized"`) {
			t.Errorf("%d %s", w.Code, body)
		}
		if told := strings.Contains(body, "own") || !strings.Contains(body, "the key is wrong"); told != settings.GetEnableOwnTokens() {
			t.Errorf("with %v: %s", settings, body)
		}
		if strings.Contains(e.log.String(), "eyJ") || strings.Contains(body, "eyJ") {
			t.Error("the token is in the log or in the answer")
		}
	}
}

func TestTheClientIsToldOfAFallback(t *testing.T) {
	t.Parallel()
	first := greeting[0]
	first.Begin = &chat.Beginning{FallbackModel: "small"}
	e := newEdge(t, says(nil, append([]chat.Event{first}, greeting[1:]...)...), nil)
	for _, body := range []string{hello, helloStream} {
		w := do(t, e, request(t, http.MethodPost, "/v1/chat/completions", key, body))
		if w.Code != 200 || w.Header().Get("X-Carousel-Fallback-Model") != "small" {
			t.Errorf("%d, %v", w.Code, w.Header())
		}
	}
}
