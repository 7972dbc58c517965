package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// readmeBlocks are the code blocks of a kind in a section of the README.
func readmeBlocks(t *testing.T, readme, section, kind string) []string {
	t.Helper()
	_, rest, found := strings.Cut(readme, "\n## "+section+"\n")
	if !found {
		t.Fatalf("the README has no section %q", section)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	var blocks []string
	for _, block := range regexp.MustCompile("(?s)```"+kind+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		blocks = append(blocks, block[1])
	}
	if len(blocks) == 0 {
		t.Fatalf("section %q has no block of %s", section, kind)
	}
	return blocks
}

var (
	curlLine   = regexp.MustCompile(`(?s)curl( -N)?( -X (\w+))? \$CAROUSEL(\S+) -H "Authorization: Bearer \$KEY" \\\n  -d '(.*?)'`)
	modelLine  = regexp.MustCompile(`ANTHROPIC_(?:DEFAULT_HAIKU_)?MODEL=(\S+)`)
	pythonLine = regexp.MustCompile(`model="([^"]+)", messages=(\[.*?\])\)`)
)

// send does what a curl line of the README does.
func (p *process) send(key string, line []string) string {
	method := line[3]
	if method == "" {
		method = http.MethodPost
	}
	return p.ask(method, line[4], key, line[5])
}

// The README's first lines work as they stand, in a fresh clone, and after an upstream
// has been added as it says.
func TestTheReadmesLinesWork(t *testing.T) {
	t.Setenv("PORT", "0")
	t.Setenv("AUTH_TOKEN", "")
	t.Setenv("LOG_LEVEL", "warn")
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	t.Chdir(t.TempDir())
	p := begin(t, filepath.Join(t.TempDir(), "data"))
	defer p.end()
	key := p.find(`export CAROUSEL=http\S+ KEY=(sk-carousel-[\w-]+)`)

	curl := curlLine.FindStringSubmatch(strings.Join(readmeBlocks(t, readme, "Use it", "sh"), "\n"))
	python := pythonLine.FindStringSubmatch(readmeBlocks(t, readme, "Use it", "python")[0])
	if curl == nil || python == nil {
		t.Fatal("the README's first lines are of another form")
	}
	chat := func(when string) {
		t.Helper()
		if answer := p.send(key, curl); !strings.Contains(answer, `"content":"`) || !strings.HasSuffix(answer, "data: [DONE]\n\n") {
			t.Errorf("%s the first curl is answered with\n%s", when, answer)
		}
		var answer struct {
			Choices []struct{ Message struct{ Content string } }
		}
		body := p.ask(http.MethodPost, "/v1/chat/completions", key, `{"model":"`+python[1]+`","messages":`+strings.ReplaceAll(python[2], `'`, `"`)+`}`)
		if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Choices) != 1 || answer.Choices[0].Message.Content != "Hello!" {
			t.Errorf("%s the Python lines are answered with\n%s", when, body)
		}
	}
	chat("at first")
	if got, want := p.models(key), []string{"claude-haiku-4-5", "claude-opus-4-8", "claude-sonnet-4-5", "demo", "demo-anthropic", "demo-openai", "gpt-4o"}; !slices.Equal(got, want) {
		t.Errorf("/v1/models lists %q, want %q", got, want)
	}
	models := modelLine.FindAllStringSubmatch(readme, -1)
	if len(models) != 2 {
		t.Fatal("the README's lines for Claude Code are of another form")
	}
	for _, model := range models {
		body := p.ask(http.MethodPost, "/v1/messages?beta=true", key, `{"model":"`+model[1]+`","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"Hello!"}]}`)
		if !strings.HasPrefix(body, "event: message_start\n") || !strings.Contains(body, "event: message_stop\n") {
			t.Errorf("Claude Code with the model %s is answered with\n%s", model[1], body)
		}
	}
	p.ask(http.MethodPatch, "/admin/api/settings", key, `{"list_all_models": true}`)
	p.eventually("the whole list is back", func() bool { return len(p.models(key)) > 20 })
	p.ask(http.MethodPatch, "/admin/api/settings", key, `{"list_all_models": false}`)

	// As the README adds an upstream; the Cursor upstream with a token beside it wins
	// nothing that the simulator serves until it has one.
	for _, line := range curlLine.FindAllStringSubmatch(strings.Join(readmeBlocks(t, readme, "Use it", "sh"), "\n"), -1) {
		if strings.Contains(line[0], "deepseek") {
			line[5] = strings.ReplaceAll(line[5], "sk-…", "sk-a-key-of-mine-0123")
			if answer := p.send(key, line); strings.Contains(answer, `"error"`) {
				t.Errorf("%s\nis answered with %s", line[0], answer)
			}
		}
	}
	p.eventually("the upstream's model is listed", func() bool { return slices.Contains(p.models(key), "deepseek-chat") })
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
	for range 200 {
		if condition() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	p.t.Errorf("not within four seconds: %s", what)
}
