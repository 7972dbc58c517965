package allinone

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// The names of the first lines that a newcomer sends, and those that Claude Code asks for, are
// served at once, and go on being served after an upstream has been added.
func TestTheModelsOfAFirstTry(t *testing.T) {
	t.Setenv("PORT", "0")
	t.Setenv("AUTH_TOKEN", "")
	t.Setenv("LOG_LEVEL", "warn")
	t.Chdir(t.TempDir())
	p := begin(t, filepath.Join(t.TempDir(), "data"))
	defer p.end()
	key := p.find(`export CAROUSEL=http\S+ KEY=(sk-carousel-[\w-]+)`)

	chat := func(when string) {
		t.Helper()
		answer := p.ask(http.MethodPost, "/v1/chat/completions", key, `{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hello!"}]}`)
		if !strings.Contains(answer, `"content":"`) || !strings.HasSuffix(answer, "data: [DONE]\n\n") {
			t.Errorf("%s a chat is answered with\n%s", when, answer)
		}
	}
	chat("at first")
	if got, want := p.models(key), []string{"claude-haiku-4-5", "claude-opus-4-8", "claude-sonnet-4-5", "demo", "demo-anthropic", "demo-openai", "gpt-4o"}; !slices.Equal(got, want) {
		t.Errorf("/v1/models lists %q, want %q", got, want)
	}
	for _, model := range []string{"claude-sonnet-4-5", "claude-haiku-4-5"} {
		body := p.ask(http.MethodPost, "/v1/messages?beta=true", key, `{"model":"`+model+`","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"Hello!"}]}`)
		if !strings.HasPrefix(body, "event: message_start\n") || !strings.Contains(body, "event: message_stop\n") {
			t.Errorf("Claude Code with the model %s is answered with\n%s", model, body)
		}
	}
	p.ask(http.MethodPatch, "/admin/api/settings", key, `{"list_all_models": true}`)
	p.eventually("the whole list is back", func() bool { return len(p.models(key)) > 20 })
	p.ask(http.MethodPatch, "/admin/api/settings", key, `{"list_all_models": false}`)

	// The Cursor upstream, which has no token, wins nothing that the simulator serves.
	for _, line := range [][3]string{
		{http.MethodPut, "/admin/api/upstreams/mine", `{"driver": "openai", "base_url": "http://127.0.0.1:1/v1", "models": ["my-model"]}`},
		{http.MethodPost, "/admin/api/tokens", `{"token": "sk-a-key-of-mine-0123", "upstream": "mine", "cap": 8}`},
	} {
		if answer := p.ask(line[0], line[1], key, line[2]); strings.Contains(answer, `"error"`) {
			t.Errorf("%v\nis answered with %s", line, answer)
		}
	}
	p.eventually("the upstream's model is listed", func() bool { return slices.Contains(p.models(key), "my-model") })
	chat("after an upstream was added")
}

// models are the ids that /v1/models lists, in order of the alphabet.
func (p *process) models(key string) []string {
	p.t.Helper()
	var list struct{ Data []struct{ ID string } }
	if err := json.Unmarshal([]byte(p.ask(http.MethodGet, "/v1/models", key, "")), &list); err != nil {
		p.t.Fatal(err)
	}
	var ids []string
	for _, model := range list.Data {
		ids = append(ids, model.ID)
	}
	slices.Sort(ids)
	return ids
}

// eventually waits for what every gateway knows within a second or two.
func (p *process) eventually(what string, condition func() bool) {
	p.t.Helper()
	stack.Eventually(p.t, what, 2*time.Second, condition)
}
