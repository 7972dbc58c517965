package courier

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"carousel.internal/tokenstore/internal/notify"
)

// message is a delivery in words: a title, and a paragraph for each alert.
type message struct {
	title string
	items []item
}

// item is one alert. mark tells at a glance how it stands.
type item struct {
	mark, state, summary, description, since string
}

// words are what stands around alerts, by language.
type words struct {
	firing, resolved, test, testText, since, over, more string
	severities                                          map[notify.Severity]string
}

var languages = map[string]words{
	notify.English: {
		firing: "%d firing", resolved: "%d resolved", test: "Test", testText: "This is a test: Carousel reaches you here.",
		since: "since %s UTC", over: "from %s to %s UTC", more: "… and %d more",
		severities: map[notify.Severity]string{notify.Info: "info", notify.Warning: "warning", notify.Critical: "critical"},
	},
	notify.Chinese: {
		firing: "%d 条告警", resolved: "%d 条恢复", test: "测试", testText: "这是一条测试消息：Carousel 可以在这里通知您。",
		since: "自 %s UTC 起", over: "%s 至 %s UTC", more: "…… 另有 %d 条",
		severities: map[notify.Severity]string{notify.Info: "提示", notify.Warning: "警告", notify.Critical: "严重"},
	},
}

const (
	// product begins each title: some chat services take only messages with a word that they know.
	product = "Carousel"
	// resolvedMark and testMark stand before what is no fault.
	resolvedMark, testMark = "✅", "ℹ️"
)

var marks = map[notify.Severity]string{notify.Info: "🔵", notify.Warning: "🟠", notify.Critical: "🔴"}

// messageOf says a delivery in the destination's language.
func messageOf(to notify.Destination, delivery notify.Delivery) message {
	spoken, known := languages[to.GetLanguage()]
	if !known {
		spoken = languages[notify.English]
	}
	if len(delivery.Firing)+len(delivery.Resolved) == 0 {
		return message{title: product + ": " + spoken.test, items: []item{{mark: testMark, summary: spoken.testText}}}
	}
	var counts []string
	said := message{}
	for _, each := range delivery.Firing {
		said.items = append(said.items, firingItem(each, to.GetLanguage(), spoken))
	}
	for _, each := range delivery.Resolved {
		said.items = append(said.items, resolvedItem(each, to.GetLanguage(), spoken))
	}
	if n := len(delivery.Firing); n > 0 {
		counts = append(counts, fmt.Sprintf(spoken.firing, n))
	}
	if n := len(delivery.Resolved); n > 0 {
		counts = append(counts, fmt.Sprintf(spoken.resolved, n))
	}
	said.title = product + ": " + strings.Join(counts, ", ")
	return said
}

func firingItem(told notify.Told, language string, spoken words) item {
	summary, description := notify.Words(told.Alert, language)
	severity := told.Severity()
	return item{marks[severity], spoken.severities[severity], summary, description, fmt.Sprintf(spoken.since, clock(told.Since))}
}

// resolvedItem is of what is over, which nobody has to do anything about.
func resolvedItem(told notify.Told, language string, spoken words) item {
	summary, _ := notify.Words(told.Alert, language)
	return item{mark: resolvedMark, summary: summary, since: fmt.Sprintf(spoken.over, clock(told.Since), clock(told.Resolved))}
}

func clock(at time.Time) string { return at.UTC().Format(time.DateTime) }

// text is the message as paragraphs, at most so many bytes; what does not fit is counted. bold and
// quiet write a summary and what is less important.
func (m message) text(language string, most int, bold, quiet func(string) string) string {
	spoken, known := languages[language]
	if !known {
		spoken = languages[notify.English]
	}
	var text strings.Builder
	for i, each := range m.items {
		paragraph := each.text(bold, quiet)
		rest := fmt.Sprintf(spoken.more, len(m.items)-i)
		if text.Len()+len(paragraph)+len("\n\n")+len(rest) > most {
			if text.Len() == 0 { // one alone is too long
				return clipped(paragraph, most)
			}
			text.WriteString(rest)
			break
		}
		text.WriteString(paragraph)
		if i < len(m.items)-1 {
			text.WriteString("\n\n")
		}
	}
	return text.String()
}

func (i item) text(bold, quiet func(string) string) string {
	first := i.mark + " " + bold(i.summary)
	lines := []string{first}
	if i.description != "" {
		lines = append(lines, quiet(i.description))
	}
	if about := strings.TrimLeft(i.state+" · "+i.since, " ·"); about != "" {
		lines = append(lines, quiet(about))
	}
	return strings.Join(lines, "\n")
}

// clipped is the beginning of a text, of at most so many bytes.
func clipped(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

func plain(text string) string { return text }

// encode writes JSON in which `<`, `>` and `&` stand as they are: some services show what they are
// sent.
func encode(body any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(body)
	return text.Bytes(), err
}
