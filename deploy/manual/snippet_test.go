package manual_test

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"carousel.internal/deploy/e2e/stack"
)

// ask sends a request to the pair with its key and answers the body.
func (p *pair) ask(t *testing.T, method, path, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+p.key)
	client := stack.Client(t)
	client.Timeout = 30 * time.Second
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var (
	pythonClient = regexp.MustCompile(`OpenAI\(base_url=os.environ\["CAROUSEL"\] \+ "/v1", api_key=os.environ\["KEY"\]\)`)
	pythonCall   = regexp.MustCompile(`client.chat.completions.create\(\s*model="([^"]+)", messages=(\[.*?\])\)`)
	tomlLine     = regexp.MustCompile(`(?m)^(\w+) = "(.*)"$`)
)

// snippets does what the README's snippets for programs do that are not here: an SDK, Codex.
func snippets(t *testing.T, p *pair) {
	t.Helper()
	blocks := blocksOf(t, read(t, "README.md"))
	python, toml := only("python", blocks), only("toml", blocks)
	if len(python) != 1 || len(toml) != 1 {
		t.Fatal("the README has no snippet for an SDK, or none for Codex")
	}
	call := pythonCall.FindStringSubmatch(python[0].text)
	if call == nil || !pythonClient.MatchString(python[0].text) {
		t.Fatalf("the README's lines for the SDK are of another form:\n%s", python[0].text)
	}
	var answer struct {
		Choices []struct{ Message struct{ Content string } }
	}
	body := p.ask(t, http.MethodPost, "/v1/chat/completions", `{"model": "`+call[1]+`", "messages": `+call[2]+`}`)
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Choices) != 1 || answer.Choices[0].Message.Content != "Hello!" {
		t.Errorf("the SDK's lines are answered with\n%s", body)
	}

	codex := map[string]string{}
	for _, line := range tomlLine.FindAllStringSubmatch(toml[0].text, -1) {
		codex[line[1]] = line[2]
	}
	for member, want := range map[string]string{
		"model_provider": "carousel", "base_url": "http://localhost:3000/v1", "env_key": "KEY", "wire_api": "responses",
	} {
		if codex[member] != want {
			t.Errorf("Codex is told %s = %q, want %q", member, codex[member], want)
		}
	}
	body = p.ask(t, http.MethodPost, "/v1/responses", `{"model": "`+codex["model"]+`", "input": "Hello!", "stream": true}`)
	if !strings.Contains(body, "event: response.completed\n") {
		t.Errorf("Codex is answered with\n%s", body)
	}
}

var settingRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (?:none|`([^`]*)`) \\|")

// settings compares the table of docs/configuration.md with what a fresh pair has. What a
// block of the manual has changed is put back first.
func settings(t *testing.T, p *pair) {
	t.Helper()
	p.ask(t, http.MethodPost, "/admin/api/settings/reset", `{"names": ["rotation_strategy"]}`)
	var values map[string]any
	body := p.ask(t, http.MethodGet, "/admin/api/settings", "")
	decoder := json.NewDecoder(strings.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&values); err != nil {
		t.Fatalf("the settings are\n%s", body)
	}
	delete(values, "version")
	delete(values, "updated_at")
	_, table, _ := strings.Cut(read(t, "docs/configuration.md"), "\n## Settings that change while everything runs\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var listed []string
	for _, row := range settingRow.FindAllStringSubmatch(table, -1) {
		listed = append(listed, row[1])
		if got := text(values[row[1]]); got != row[2] {
			t.Errorf("docs/configuration.md says that %s is %q at first; it is %q", row[1], row[2], got)
		}
	}
	for name := range values {
		if !slices.Contains(listed, name) {
			t.Errorf("docs/configuration.md does not list the setting %s", name)
		}
	}
}

// text is a value of JSON as a person writes it.
func text(value any) string {
	if word, isText := value.(string); isText {
		return word
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}
