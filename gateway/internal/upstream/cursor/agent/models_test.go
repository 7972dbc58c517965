package agent

import (
	"io"
	"net/http"
	"testing"

	"google.golang.org/protobuf/proto"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
	agentv1 "carousel.internal/proto/cursor/agent/v1"
	"carousel.internal/proto/service/secret"
)

var credential = upstream.Credential{Secret: secret.New("access-token")}

func TestModels(t *testing.T) {
	t.Parallel()
	c := serve(t, func(x *exchange) {
		if x.r.URL.Path != availablePath {
			t.Errorf("asked %s", x.r.URL.Path)
		}
		body, err := io.ReadAll(x.r.Body)
		if err != nil || string(body) != string(vectorOf(t, "available-models-request")) {
			t.Errorf("asked %x, %v", body, err)
		}
		if h := x.r.Header; h.Get("Content-Type") != "application/proto" || h.Get("Authorization") != "Bearer access-token" || h.Get("X-Cursor-Client-Type") != "cli" {
			t.Errorf("headers %v", h)
		}
		x.w.Header().Set("Content-Type", "application/proto")
		x.send(vectorOf(t, "available-models"))
	})
	list, err := c.Models(t.Context(), credential)
	if err != nil || len(list) == 0 {
		t.Fatalf("%v, %v", list, err)
	}
	// What was learned is what a call is looked up in.
	call := callOf()
	call.Model = "cursor-grok-4.6-high"
	want := &agentv1.RequestedModel{}
	if err := proto.Unmarshal(vectorOf(t, "requested-model"), want); err != nil {
		t.Fatal(err)
	}
	if got := c.choose(call).Requested; !proto.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestTheFlatListStandsIn(t *testing.T) {
	t.Parallel()
	c := serve(t, func(x *exchange) {
		if x.r.URL.Path == availablePath {
			x.w.WriteHeader(http.StatusNotFound)
			return
		}
		x.send(vectorOf(t, "usable-models"))
	})
	list, err := c.Models(t.Context(), credential)
	if err != nil || len(list) == 0 || list[0].ID != "composer-2.5" {
		t.Errorf("%v, %v", list, err)
	}
}

func TestAListThatIsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script func(*exchange)
		class  upstream.Class
	}{
		"not logged in": {func(x *exchange) { x.w.WriteHeader(http.StatusUnauthorized) }, upstream.Auth},
		"no list":       {func(x *exchange) { x.send([]byte{0xff, 0xff}) }, upstream.Truncated},
		"lost":          {func(*exchange) { panic(http.ErrAbortHandler) }, upstream.Transport},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := serve(t, test.script).Models(t.Context(), credential)
			failure, is := err.(*upstream.Failure) //nolint:errorlint // it is never wrapped
			if !is || failure.Class != test.class {
				t.Errorf("%v", err)
			}
		})
	}
}

// The client's table goes before that of former ids, and both before the id itself.
func TestAliases(t *testing.T) {
	t.Parallel()
	c := New(Config{Models: map[string]string{"gpt-4o": "composer-2.5", "mine": "gpt-5.2-high"}})
	for id, want := range map[string]string{
		"gpt-4o": "composer-2.5", "mine": "gpt-5.2-high", "cursor-small": "composer-2.5", "claude-opus-5-high": "claude-opus-5-high",
	} {
		call := callOf()
		call.Model = id
		if got := c.choose(call).Requested.GetModelId(); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
}

func TestEffort(t *testing.T) {
	t.Parallel()
	c := New(Config{})
	for want, wish := range map[string]chat.Thinking{
		"gpt-5.5-high":       {Effort: chat.EffortHigh},
		"gpt-5.5-none":       {Mode: chat.ThinkingOff},
		"gpt-5.5-low":        {Mode: chat.ThinkingOn, Budget: 2000},
		"gpt-5.5-medium":     {Mode: chat.ThinkingOn, Budget: 10000},
		"gpt-5.5-extra-high": {Mode: chat.ThinkingOn, Budget: 60000},
	} {
		call := callOf()
		call.Model, call.Request.Thinking = "gpt-5.5", wish
		if got := c.choose(call).Requested.GetModelId(); got != want {
			t.Errorf("%+v: %s, want %s", wish, got, want)
		}
	}
	if !c.Tunes("reasoning_effort") || c.Tunes("temperature") {
		t.Error("what is sent is said not to be, or the reverse")
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	patterns := []string{"composer-*", "default"}
	for family, want := range map[string]bool{"composer-2.5": true, "default": true, "gpt-5.5": false, "composer": false, "defaults": false} {
		if matches(patterns, family) != want {
			t.Errorf("%s: %t", family, !want)
		}
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	c := New(Config{})
	for need, want := range map[chat.Need]bool{
		chat.Tools: true, chat.FreeTools: true, chat.Pictures: true, chat.TextPapers: true, chat.ToolMedia: true, chat.JSONObject: true,
		chat.JSONSchema: false, chat.HostedTools: false, chat.Papers: false, chat.StopTexts: false, chat.OutputLimit: false, chat.Tuning: false,
	} {
		if c.Carries(need) != want {
			t.Errorf("%s: %t", need, !want)
		}
	}
}
