package pairs

import (
	"fmt"
	"strings"
)

const head = `<!-- Made by "make generate" of the rows in deploy/e2e/pairs, each of which a test plays. -->
# What each pair carries

Clients speak Chat (OpenAI's Chat Completions), Messages (Anthropic's) or Responses (OpenAI's); upstreams have the driver openai, anthropic or cursor, whose pairs are over Cursor's [agent protocol](cursor.md). An upstream of the driver openai that does not serve Responses is asked by Chat. Where both speak the same API, the client's own bytes go on: of a request the model's name is changed, and of an answer nothing that the
client could miss. Where they do not, a request is

- translated: the upstream gets the same in its own words;
- translated with loss: the same, but for what is said here;
- refused: 400, which names the field. That is what becomes of everything that would change the answer and that the upstream can't be told. Where several upstreams have the model, one that can is chosen first.

Some fields are ignored, because no answer depends on them; a metric counts them.
`

// Document is docs/dialects.md.
func Document() []byte {
	var doc strings.Builder
	doc.WriteString(head)
	doc.WriteString("\n## Conversations\n\n| | " + columns() + " |\n|---|" + strings.Repeat("---|", len(All)) + "\n")
	for _, row := range Rows {
		fmt.Fprintf(&doc, "| %s |", row.What)
		for _, pair := range All {
			fmt.Fprintf(&doc, " %s |", row.Cell(pair).text())
		}
		doc.WriteByte('\n')
	}
	writeFields(&doc, ChatAnthropic, ChatFields)
	writeFields(&doc, MessagesOpenAI, MessagesFields)
	writeFields(&doc, ResponsesByChat, ResponsesFields)
	doc.WriteString("\n## Settings\n\nAn upstream's settings change what becomes of requests of the other API; the client's own bytes are never touched by them. The first value is the default; those of the driver openai are others at hosts that it knows.\n")
	writeSettings(&doc, "openai", OpenAISettings)
	writeSettings(&doc, "anthropic", AnthropicSettings)
	return []byte(doc.String())
}

func columns() string {
	names := make([]string, len(All))
	for i, pair := range All {
		names[i] = pair.String()
	}
	return strings.Join(names, " | ")
}

func (c Cell) text() string {
	if c.Note == "" {
		return string(c.Outcome)
	}
	return string(c.Outcome) + ": " + c.Note
}

func writeFields(doc *strings.Builder, pair Pair, fields []Field) {
	fmt.Fprintf(doc, "\n## Fields: %s\n\n| field | | |\n|---|---|---|\n", pair)
	for _, field := range fields {
		fmt.Fprintf(doc, "| %s | %s | %s |\n", field.Name, field.Outcome, field.Note)
	}
}

func writeSettings(doc *strings.Builder, driver string, settings []Setting) {
	fmt.Fprintf(doc, "\n| setting of the driver %s | values | |\n|---|---|---|\n", driver)
	for _, setting := range settings {
		fmt.Fprintf(doc, "| `%s` | %s | %s |\n", setting.Key, setting.Values, setting.What)
	}
}
