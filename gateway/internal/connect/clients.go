package connect

// Clients are all that is known of, in the order in which they are offered.
func Clients() []Client { return clients }

var clients = []Client{
	{"claude-code", "Claude Code", []Part{
		{text: `export ANTHROPIC_BASE_URL='{{url}}'
export ANTHROPIC_AUTH_TOKEN='{{key}}'
export ANTHROPIC_MODEL='{{model}}'
export ANTHROPIC_DEFAULT_HAIKU_MODEL='{{model}}'
claude
`},
		{Place: "~/.claude/settings.json", text: `{
  "env": {
    "ANTHROPIC_BASE_URL": "{{url}}",
    "ANTHROPIC_AUTH_TOKEN": "{{key}}",
    "ANTHROPIC_MODEL": "{{model}}",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL": "{{model}}"
  }
}
`},
	}},
	{"codex", "Codex", []Part{
		{Place: "~/.codex/config.toml", text: `model = "{{model}}"
model_provider = "carousel"

[model_providers.carousel]
name = "Carousel"
base_url = "{{url}}/v1"
env_key = "CAROUSEL_KEY"
wire_api = "responses"
supports_websockets = false
`},
		{text: `export CAROUSEL_KEY='{{key}}'
codex
`},
	}},
	{"cursor", "Cursor", []Part{
		{Place: "Cursor Settings → Models", fields: []field{
			{"OpenAI API Key", "{{key}}"},
			{"Override OpenAI Base URL", "{{url}}/v1"},
			{"Add or search model", "{{model}}"},
		}},
	}},
	{"cline", "Cline", []Part{
		{Place: "Cline → Settings → API Configuration", fields: []field{
			{"API Provider", "OpenAI Compatible"},
			{"Base URL", "{{url}}/v1"},
			{"OpenAI Compatible API Key", "{{key}}"},
			{"Model ID", "{{model}}"},
		}},
	}},
	{"continue", "Continue", []Part{
		{Place: "~/.continue/config.yaml", text: `name: Carousel
version: 1.0.0
schema: v1
models:
  - name: "{{model}}"
    provider: openai
    model: "{{model}}"
    apiBase: "{{url}}/v1"
    apiKey: "{{key}}"
    roles:
      - chat
      - edit
      - apply
`},
	}},
	{"open-webui", "Open WebUI", []Part{
		{Place: "Admin Settings → Connections → OpenAI API", fields: []field{
			{"URL", "{{url}}/v1"},
			{"API Key", "{{key}}"},
		}},
		{text: `docker run -d --name open-webui -p 3000:8080 -v open-webui:/app/backend/data \
  -e OPENAI_API_BASE_URL='{{url}}/v1' \
  -e OPENAI_API_KEY='{{key}}' \
  ghcr.io/open-webui/open-webui:main
`},
	}},
	{"openai-python", "OpenAI SDK, Python", []Part{
		{text: openAIVariables + "pip install openai\n"},
		{Place: "hello.py", text: `from openai import OpenAI

client = OpenAI()  # OPENAI_BASE_URL and OPENAI_API_KEY say the rest
answer = client.chat.completions.create(
    model="{{model}}",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)
`},
	}},
	{"openai-js", "OpenAI SDK, JavaScript", []Part{
		{text: openAIVariables + "npm install openai\n"},
		{Place: "hello.mjs", text: `import OpenAI from "openai";

const client = new OpenAI(); // OPENAI_BASE_URL and OPENAI_API_KEY say the rest
const answer = await client.chat.completions.create({
  model: "{{model}}",
  messages: [{ role: "user", content: "Hello" }],
});
console.log(answer.choices[0].message.content);
`},
	}},
	{"openai-go", "OpenAI SDK, Go", []Part{
		{text: openAIVariables + "go get github.com/openai/openai-go/v3\n"},
		{Place: "main.go", text: `package main

import (
	"context"
	"fmt"
	"log"

	"github.com/openai/openai-go/v3"
)

func main() {
	client := openai.NewClient() // OPENAI_BASE_URL and OPENAI_API_KEY say the rest
	answer, err := client.Chat.Completions.New(context.Background(), openai.ChatCompletionNewParams{
		Model:    "{{model}}",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello")},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Choices[0].Message.Content)
}
`},
	}},
	{"anthropic-python", "Anthropic SDK, Python", []Part{
		{text: anthropicVariables + "pip install anthropic\n"},
		{Place: "hello.py", text: `from anthropic import Anthropic

client = Anthropic()  # ANTHROPIC_BASE_URL and ANTHROPIC_AUTH_TOKEN say the rest
answer = client.messages.create(
    model="{{model}}",
    max_tokens=1024,
    messages=[{"role": "user", "content": "Hello"}],
)
print("".join(block.text for block in answer.content if block.type == "text"))
`},
	}},
	{"anthropic-js", "Anthropic SDK, JavaScript", []Part{
		{text: anthropicVariables + "npm install @anthropic-ai/sdk\n"},
		{Place: "hello.mjs", text: `import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic(); // ANTHROPIC_BASE_URL and ANTHROPIC_AUTH_TOKEN say the rest
const answer = await client.messages.create({
  model: "{{model}}",
  max_tokens: 1024,
  messages: [{ role: "user", content: "Hello" }],
});
for (const block of answer.content) {
  if (block.type === "text") console.log(block.text);
}
`},
	}},
	{"anthropic-go", "Anthropic SDK, Go", []Part{
		{text: anthropicVariables + "go get github.com/anthropics/anthropic-sdk-go/v2\n"},
		{Place: "main.go", text: `package main

import (
	"context"
	"fmt"
	"log"

	"github.com/anthropics/anthropic-sdk-go/v2"
)

func main() {
	client := anthropic.NewClient() // ANTHROPIC_BASE_URL and ANTHROPIC_AUTH_TOKEN say the rest
	answer, err := client.Messages.New(context.Background(), anthropic.MessageNewParams{
		Model:     "{{model}}",
		MaxTokens: 1024,
		Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Hello"))},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, block := range answer.Content {
		if block.Type == "text" {
			fmt.Println(block.Text)
		}
	}
}
`},
	}},
	{"curl-chat", "curl, Chat Completions", []Part{{text: `curl '{{url}}/v1/chat/completions' \
  -H 'Authorization: Bearer {{key}}' \
  -H 'Content-Type: application/json' \
  -d '{"model": "{{model}}", "messages": [{"role": "user", "content": "Hello"}]}'
`}}},
	{"curl-messages", "curl, Messages", []Part{{text: `curl '{{url}}/v1/messages' \
  -H 'Authorization: Bearer {{key}}' \
  -H 'anthropic-version: 2023-06-01' \
  -H 'Content-Type: application/json' \
  -d '{"model": "{{model}}", "max_tokens": 1024, "messages": [{"role": "user", "content": "Hello"}]}'
`}}},
	{"curl-responses", "curl, Responses", []Part{{text: `curl '{{url}}/v1/responses' \
  -H 'Authorization: Bearer {{key}}' \
  -H 'Content-Type: application/json' \
  -d '{"model": "{{model}}", "input": "Hello"}'
`}}},
}

// The variables that the SDKs read. Claude Code and the Anthropic SDKs prefer an API key to a
// token where both are set.
const (
	openAIVariables = `export OPENAI_BASE_URL='{{url}}/v1'
export OPENAI_API_KEY='{{key}}'
`
	anthropicVariables = `export ANTHROPIC_BASE_URL='{{url}}'
export ANTHROPIC_AUTH_TOKEN='{{key}}'
unset ANTHROPIC_API_KEY
`
)
