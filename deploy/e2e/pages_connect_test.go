package e2e_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/v2/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"

	"carousel.internal/deploy/e2e/stack"
)

// pointed is what a client is told: by its texts, by the variables that they leave a program with,
// and by fields of a dialog, as `label: value`. Each is a pattern with the value in it.
type pointed struct{ address, key, model string }

// The variables that the official SDKs read, as programs have them.
const (
	openAIAddress, openAIKey       = `(?m)^OPENAI_BASE_URL=(.*)`, `(?m)^OPENAI_API_KEY=(.*)`
	anthropicAddress, anthropicKey = `(?m)^ANTHROPIC_BASE_URL=(.*)`, `(?m)^ANTHROPIC_AUTH_TOKEN=(.*)`
)

// connectable are the clients that the pages know, by how they ask.
var connectable = map[string]struct {
	pointed
	asks func(ctx context.Context, address, key, model string) (string, error)
}{
	"claude-code":      {pointed{anthropicAddress, anthropicKey, `(?m)^ANTHROPIC_MODEL=(.*)`}, askMessages},
	"codex":            {pointed{`base_url = "(.*)"`, `(?m)^CAROUSEL_KEY=(.*)`, `(?m)^model = "(.*)"`}, askResponses},
	"cursor":           {pointed{`Override OpenAI Base URL: (.*)`, `OpenAI API Key: (.*)`, `Add or search model: (.*)`}, askChat},
	"cline":            {pointed{`Base URL: (.*)`, `OpenAI Compatible API Key: (.*)`, `Model ID: (.*)`}, askChat},
	"continue":         {pointed{`apiBase: "(.*)"`, `apiKey: "(.*)"`, `model: "(.*)"`}, askChat},
	"open-webui":       {pointed{`-e OPENAI_API_BASE_URL=(http\S*)`, `-e OPENAI_API_KEY=(sk\S*)`, ``}, askListed},
	"openai-python":    {pointed{openAIAddress, openAIKey, `model="(.*)"`}, askChat},
	"openai-js":        {pointed{openAIAddress, openAIKey, `model: "(.*)"`}, askChat},
	"openai-go":        {pointed{openAIAddress, openAIKey, `Model: +"(.*)"`}, askChat},
	"anthropic-python": {pointed{anthropicAddress, anthropicKey, `model="(.*)"`}, askMessages},
	"anthropic-js":     {pointed{anthropicAddress, anthropicKey, `model: "(.*)"`}, askMessages},
	"anthropic-go":     {pointed{anthropicAddress, anthropicKey, `Model: +"(.*)"`}, askMessages},
}

// What the pages tell a client, and nothing else, has an official SDK ask in that client's way.
func TestClientsAskAsTheyAreTold(t *testing.T) {
	s := stack.Start(t, stack.Options{})
	gateway := s.Gateways[0]
	s.AddTokens("openai", "team", 2, 0)
	page := pageOfNewKey(t, gateway)
	programs := recorders(t)
	clients := clientsOn(page)
	if len(clients) < len(connectable) {
		t.Errorf("the page shows %d clients only", len(clients))
	}
	for _, client := range clients {
		t.Run(client.id, func(t *testing.T) {
			if strings.HasPrefix(client.id, "curl-") {
				run(t, client.id, t.TempDir(), client.texts[0])
				return
			}
			known, is := connectable[client.id]
			if !is {
				t.Fatal("it has no row here")
			}
			told := client.told(t, programs)
			answer, err := known.asks(t.Context(), told.find(t, known.address), told.find(t, known.key), told.find(t, known.model))
			if err != nil || !strings.Contains(answer, "Hello") {
				t.Errorf("%q, %v, told\n%s", answer, err, told)
			}
		})
	}
}

// pageOfNewKey makes a key, and returns the page that shows its secret.
func pageOfNewKey(t *testing.T, gateway *stack.Gateway) string {
	t.Helper()
	session := loginCookie(t, gateway)
	form := send(t, gateway, http.MethodGet, "/admin/keys/new", "", "", map[string]string{"Cookie": session})
	csrf := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindSubmatch(form.body)
	if csrf == nil {
		t.Fatalf("%d, without a form", form.status)
	}
	fields := url.Values{"csrf": {string(csrf[1])}, "name": {"Build server"}, "models": {"gpt-test"}}
	made := send(t, gateway, http.MethodPost, "/admin/keys/new", "", fields.Encode(), map[string]string{
		"Cookie": session, "Content-Type": "application/x-www-form-urlencoded", "Origin": gateway.URL,
	})
	if made.status != http.StatusOK {
		t.Fatalf("%d %s", made.status, made.body)
	}
	return regexp.MustCompile(`<span data-(?:key|model)-here>([^<]*)</span>`).ReplaceAllString(string(made.body), "$1")
}

// shownClient is a client as the page shows it: texts to paste, and fields to fill in.
type shownClient struct {
	id            string
	texts, fields []string
}

var (
	partOfPage  = regexp.MustCompile(`name="connect" id="connect-([a-z0-9-]+)">`)
	textOfPage  = regexp.MustCompile(`(?s)<pre id="paste-[^"]+"[^>]*>([^<]*)</pre>`)
	fieldOfPage = regexp.MustCompile(`<dt>([^<]*)</dt><dd class="mono"><span id="paste-[^"]+">([^<]*)</span>`)
)

func clientsOn(page string) []shownClient {
	var clients []shownClient
	begins := partOfPage.FindAllStringSubmatchIndex(page, -1)
	for i, at := range begins {
		part := page[at[1]:]
		if i+1 < len(begins) {
			part = page[at[1]:begins[i+1][0]]
		}
		client := shownClient{id: page[at[2]:at[3]]}
		for _, text := range textOfPage.FindAllStringSubmatch(part, -1) {
			client.texts = append(client.texts, html.UnescapeString(text[1]))
		}
		for _, field := range fieldOfPage.FindAllStringSubmatch(part, -1) {
			client.fields = append(client.fields, html.UnescapeString(field[1]+": "+field[2]))
		}
		clients = append(clients, client)
	}
	return clients
}

// told is all that a client is told.
type told string

// told runs those of a client's texts that are for a shell.
func (c shownClient) told(t *testing.T, programs string) told {
	t.Helper()
	all := append([]string{}, c.fields...)
	for _, text := range c.texts {
		all = append(all, text)
		if !regexp.MustCompile(`^(export|docker) `).MatchString(text) {
			continue
		}
		shell := exec.CommandContext(t.Context(), "sh", "-e")
		shell.Stdin = strings.NewReader(text)
		shell.Env = []string{"PATH=" + programs + ":/usr/bin:/bin", "ANTHROPIC_API_KEY=another"}
		output, err := shell.CombinedOutput()
		if err != nil || strings.HasPrefix(c.id, "anthropic-") && strings.Contains(string(output), "ANTHROPIC_API_KEY") {
			t.Errorf("%v\n%s\n%s", err, text, output)
		}
		all = append(all, string(output))
	}
	return told(strings.Join(all, "\n"))
}

// find returns the value of a pattern.
func (a told) find(t *testing.T, pattern string) string {
	t.Helper()
	if pattern == "" {
		return ""
	}
	found := regexp.MustCompile(pattern).FindStringSubmatch(string(a))
	if found == nil {
		t.Fatalf("nothing is told by %s in\n%s", pattern, a)
	}
	return found[1]
}

// recorders are programs of the names that the texts call, which print what they are told.
func recorders(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"claude", "codex", "docker", "pip", "npm", "go"} {
		script := "#!/bin/sh\nenv\necho \"$@\"\n"
		if err := os.WriteFile(filepath.Join(folder, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func askChat(ctx context.Context, address, key, model string) (string, error) {
	client := openai.NewClient(option.WithBaseURL(address), option.WithAPIKey(key), option.WithMaxRetries(0))
	answer, err := client.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
		Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello")},
	})
	if err != nil {
		return "", err
	}
	return answer.Choices[0].Message.Content, nil
}

// askListed is askChat with the first model of the list.
func askListed(ctx context.Context, address, key, _ string) (string, error) {
	client := openai.NewClient(option.WithBaseURL(address), option.WithAPIKey(key), option.WithMaxRetries(0))
	list, err := client.Models.List(ctx)
	if err != nil {
		return "", err
	}
	if len(list.Data) == 0 {
		return "", fmt.Errorf("no model is listed")
	}
	return askChat(ctx, address, key, list.Data[0].ID)
}

func askResponses(ctx context.Context, address, key, model string) (string, error) {
	client := openai.NewClient(option.WithBaseURL(address), option.WithAPIKey(key), option.WithMaxRetries(0))
	answer, err := client.Responses.New(ctx, responses.ResponseNewParams{
		Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Hello")},
	})
	if err != nil {
		return "", err
	}
	return answer.OutputText(), nil
}

func askMessages(ctx context.Context, address, key, model string) (string, error) {
	client := anthropic.NewClient(anthropicoption.WithBaseURL(address), anthropicoption.WithAuthToken(key), anthropicoption.WithMaxRetries(0))
	answer, err := client.Messages.New(ctx, anthropic.MessageNewParams{
		Model: model, MaxTokens: 1024, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Hello"))},
	})
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, block := range answer.Content {
		text.WriteString(block.Text)
	}
	return text.String(), nil
}
