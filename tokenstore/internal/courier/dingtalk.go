package courier

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"carousel.internal/tokenstore/internal/notify"
)

// maxDingTalk bounds the text of a message to DingTalk, in bytes: a request has at most 20,000.
const maxDingTalk = 12 << 10

// dingTalkForm is for custom robots of DingTalk. Where the robot asks for signatures, the URL has a
// timestamp in ms and the HMAC-SHA256 of `<timestamp>\n<secret>` under the secret.
func dingTalkForm(to notify.Destination, delivery notify.Delivery, now time.Time) letter {
	said := messageOf(to, delivery)
	bold := func(text string) string { return "**" + escapeMarkdown(text) + "**" }
	text := said.text(to.GetLanguage(), maxDingTalk, bold, escapeMarkdown)
	return letter{url: dingTalkURL(to, now), accepted: chineseAccepted("DingTalk", 130101, 410100), body: map[string]any{
		"msgtype": "markdown",
		"markdown": map[string]any{
			"title": said.title,
			// Its Markdown begins a line only behind an empty one, or behind two spaces.
			"text": "### " + said.title + "\n\n" + strings.ReplaceAll(text, "\n", "  \n"),
		},
	}}
}

func dingTalkURL(to notify.Destination, now time.Time) string {
	parsed, err := url.Parse(to.Address())
	if err != nil || to.Secret.Empty() {
		return to.Address()
	}
	timestamp := strconv.FormatInt(now.UnixMilli(), 10)
	query := parsed.Query()
	query.Set("timestamp", timestamp)
	query.Set("sign", macOf(to.Secret.Reveal(), timestamp+"\n"+to.Secret.Reveal()))
	parsed.RawQuery = query.Encode()
	return parsed.String()
}
