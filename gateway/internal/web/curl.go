package web

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	tokenstorev1 "carousel.internal/proto/tokenstore/v1"
)

// curlOf is a command that sends a request like the logged one, from a shell with the gateway's
// address in CAROUSEL and a key in KEY. It has what the log keeps: the model and the texts. It is
// empty where the API is not one for chats, or no text was kept.
func curlOf(entry *tokenstorev1.LogEntry, said []message, prefix string) string {
	if len(said) == 0 {
		return ""
	}
	switch entry.GetDialect() {
	case "", "openai":
		return curl(prefix+"/v1/chat/completions", chatBody{Model: entry.GetModel(), Stream: entry.GetStream(), Messages: turnsOf(said)}, entry.GetStream())
	case "responses":
		return curl(prefix+"/v1/responses", responsesBody{Model: entry.GetModel(), Stream: entry.GetStream(), Input: turnsOf(said)}, entry.GetStream())
	case "anthropic":
		return curl(prefix+"/v1/messages", messagesBodyOf(entry, said), entry.GetStream(), "anthropic-version: 2023-06-01")
	default:
		return ""
	}
}

type chatTurn struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type chatBody struct {
	Model    string     `json:"model"`
	Stream   bool       `json:"stream,omitempty"`
	Messages []chatTurn `json:"messages"`
}

type responsesBody struct {
	Model  string     `json:"model"`
	Stream bool       `json:"stream,omitempty"`
	Input  []chatTurn `json:"input"`
}

type messagesBody struct {
	Model     string     `json:"model"`
	MaxTokens int        `json:"max_tokens"`
	Stream    bool       `json:"stream,omitempty"`
	System    string     `json:"system,omitempty"`
	Messages  []chatTurn `json:"messages"`
}

// repeatedTokens is the limit of an answer where the API wants one.
const repeatedTokens = 1024

// messagesBodyOf has the instructions apart, as that API wants them.
func messagesBodyOf(entry *tokenstorev1.LogEntry, said []message) messagesBody {
	var system []string
	turns := slices.Clone(said)
	turns = slices.DeleteFunc(turns, func(m message) bool {
		if m.Role == "system" {
			system = append(system, m.Text)
		}
		return m.Role == "system"
	})
	return messagesBody{
		Model: entry.GetModel(), MaxTokens: repeatedTokens, Stream: entry.GetStream(), System: strings.Join(system, "\n\n"), Messages: turnsOf(turns),
	}
}

func turnsOf(said []message) []chatTurn {
	turns := make([]chatTurn, 0, len(said))
	for _, each := range said {
		turns = append(turns, chatTurn{each.Role, each.Text})
	}
	return turns
}

// curl writes the command; lines that are too long for a terminal are left to it.
func curl(path string, body any, stream bool, headers ...string) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body) // texts alone: it can't fail
	var command strings.Builder
	command.WriteString("curl ")
	if stream {
		command.WriteString("-N ")
	}
	command.WriteString(`"$CAROUSEL` + path + `" -H "Authorization: Bearer $KEY"`)
	for _, header := range append([]string{"Content-Type: application/json"}, headers...) {
		command.WriteString(" \\\n  -H " + quoted(header))
	}
	command.WriteString(" \\\n  -d " + quoted(strings.TrimSuffix(text.String(), "\n")))
	return command.String()
}

// quoted is a text as one word of a POSIX shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
