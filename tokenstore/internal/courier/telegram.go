package courier

import (
	"encoding/json"
	"errors"
	"html"
	"strings"
	"time"

	"carousel.internal/tokenstore/internal/notify"
)

// maxTelegram bounds a message to Telegram, in bytes: it has at most 4,096 characters.
const maxTelegram = 4000

// telegramForm is for bots of Telegram. Errors come with a status of their own.
func telegramForm(to notify.Destination, delivery notify.Delivery, _ time.Time) letter {
	said := messageOf(to, delivery)
	bold := func(text string) string { return "<b>" + html.EscapeString(text) + "</b>" }
	title := bold(said.title) + "\n\n"
	return letter{
		url: strings.TrimSuffix(to.Address(), "/") + "/bot" + to.Secret.Reveal() + "/sendMessage",
		body: map[string]any{
			"chat_id": to.GetChat(), "parse_mode": "HTML", "disable_web_page_preview": true,
			"text": title + said.text(to.GetLanguage(), maxTelegram-len(title), bold, html.EscapeString),
		},
		accepted: telegramAccepted,
	}
}

func telegramAccepted(answer []byte) error {
	var said struct {
		OK bool `json:"ok"`
	}
	if json.Unmarshal(answer, &said) != nil || !said.OK {
		return errors.New("it answered something that is no answer of Telegram's: " + quoted(answer))
	}
	return nil
}
