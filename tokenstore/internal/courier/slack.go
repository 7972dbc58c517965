package courier

import (
	"strings"
	"time"

	"carousel.internal/tokenstore/internal/notify"
)

// maxSlack bounds a message to Slack, in bytes; its section blocks end at 3,000 characters.
const maxSlack = 2900

// slackForm is for incoming webhooks of Slack, and of what is compatible with them (Mattermost,
// Rocket.Chat). They answer `ok`, and an error as a status.
func slackForm(to notify.Destination, delivery notify.Delivery, _ time.Time) letter {
	said := messageOf(to, delivery)
	bold := func(text string) string { return "*" + escapeSlack(text) + "*" }
	return letter{url: to.Address(), body: map[string]any{
		"text": said.title, // what is shown where blocks are not
		"blocks": []any{
			map[string]any{"type": "header", "text": map[string]any{"type": "plain_text", "text": said.title}},
			map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": said.text(to.GetLanguage(), maxSlack, bold, escapeSlack)}},
		},
	}}
}

// escapeSlack writes the three characters that its markup gives a meaning.
func escapeSlack(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
