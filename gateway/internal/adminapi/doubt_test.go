package adminapi_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/upstream"
	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// A saved upstream has been asked; whatever came of it, it is saved.
func TestUpstreamIsAskedWhenItIsSaved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		models int
		err    error
		state  string
		detail string
	}{
		"it lists models":       {models: 3, state: "reachable"},
		"it wants a key":        {err: &upstream.Failure{Class: upstream.Auth, Status: 401, Message: "no key"}, state: "reachable", detail: "wants a key"},
		"another address":       {err: &upstream.Failure{Class: upstream.Broken, Status: 404, Message: "no such page"}, state: "refused", detail: "no such page"},
		"nobody is there":       {err: &upstream.Failure{Class: upstream.Transport, Message: "connection refused"}, state: "unreachable", detail: "connection refused"},
		"its driver has a list": {err: upstream.ErrNotAsked, state: "not_asked", detail: "own list"},
		"something else":        {err: errors.New("odd"), state: "not_asked", detail: "odd"},
	} {
		s := newStore()
		s.models, s.probed = c.models, c.err
		w := send(t, s, "PUT", "/admin/api/upstreams/vendor", key, `{"driver":"openai","base_url":"https://api.example/v1"}`)
		var got struct {
			Name  string `json:"name"`
			Check struct {
				State  string  `json:"state"`
				Models *int    `json:"models"`
				Detail *string `json:"detail"`
			} `json:"check"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || got.Name != "vendor" || got.Check.State != c.state {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if (got.Check.Models != nil) != (c.err == nil) || c.detail != "" && !strings.Contains(*got.Check.Detail, c.detail) {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}

// What does not look like a token is taken, and said to look wrong, without repeating it.
func TestDoubtfulTokens(t *testing.T) {
	t.Parallel()
	upstreams := &tokenstorev1.ListUpstreamsResponse{Upstreams: []*tokenstorev1.Upstream{{Name: "vendor", Driver: "openai"}, {Name: "second", Driver: "cursor"}}}
	s := &store{answers: []proto.Message{
		upstreams, &tokenstorev1.ImportTokensResponse{Accepted: 5, Rejected: []*tokenstorev1.RejectedLine{{Line: 4, Reason: "bad"}}},
	}}
	for name, c := range map[string]struct {
		upstream, content string
		want              string
	}{
		"keys":        {"vendor", "# note\nwork::short\nsk-0123456789abcdef\nbad\n\nshorter,sum\n", "2,6"},
		"sessions":    {"second", "a::sk-0123456789abcdef0\n", "1"},
		"the default": {"", "sk-0123456789abcdef0\n", "1"},
		"a cookie":    {"second", "x=1; WorkosCursorSessionToken=user%3A%3Anonsense; y=2", "1"},
		"users' keys": {"second", "crsr_0123456789abcdef\na::key_0123456789abcdef\nno::crsr-0123\n", "3"},
		"not known":   {"third", "short", ""},
	} {
		body, _ := json.Marshal(map[string]string{"content": c.content, "format": "token", "upstream": c.upstream})
		w := send(t, s, "POST", "/admin/api/tokens/import", key, string(body))
		var got struct {
			Warnings []struct {
				Line   json.Number `json:"line"`
				Reason string      `json:"reason"`
			} `json:"warnings"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, each := range got.Warnings {
			lines = append(lines, each.Line.String())
			if !strings.Contains(each.Reason, "does not look like") || strings.Contains(each.Reason, "short") {
				t.Errorf("%s: %q", name, each.Reason)
			}
		}
		if strings.Join(lines, ",") != c.want {
			t.Errorf("%s: warned of %v, want %s", name, lines, c.want)
		}
	}
}
