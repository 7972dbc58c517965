package courier

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"carousel.internal/tokenstore/internal/notify"
)

// maxFeishu bounds the text of a message to Feishu, in bytes: a request has at most 20 KB.
const maxFeishu = 12 << 10

// feishuForm is for custom bots of Feishu and Lark: a card. Where the bot asks for signatures, the
// body has a timestamp in seconds and the HMAC-SHA256 of nothing under the key
// `<timestamp>\n<secret>`.
func feishuForm(to notify.Destination, delivery notify.Delivery, now time.Time) letter {
	said := messageOf(to, delivery)
	bold := func(text string) string { return "**" + escapeMarkdown(text) + "**" }
	body := map[string]any{
		"msg_type": "interactive",
		"card": map[string]any{
			"header": map[string]any{
				"title": map[string]any{"tag": "plain_text", "content": said.title}, "template": feishuColor(delivery),
			},
			"elements": []any{
				map[string]any{"tag": "markdown", "content": said.text(to.GetLanguage(), maxFeishu, bold, escapeMarkdown)},
			},
		},
	}
	if !to.Secret.Empty() {
		timestamp := strconv.FormatInt(now.Unix(), 10)
		body["timestamp"], body["sign"] = timestamp, macOf(timestamp+"\n"+to.Secret.Reveal(), "")
	}
	return letter{url: to.Address(), body: body, accepted: feishuAccepted}
}

// feishuColor is that of a card's header.
func feishuColor(delivery notify.Delivery) string {
	switch {
	case len(delivery.Firing) == 0 && len(delivery.Resolved) == 0:
		return "blue"
	case len(delivery.Firing) == 0:
		return "green"
	case delivery.Severity() == notify.Critical:
		return "red"
	default:
		return "orange"
	}
}

// feishuAccepted reads the answer, which is 200 for errors, too.
func feishuAccepted(answer []byte) error {
	var said struct {
		Code *int   `json:"code"`
		Msg  string `json:"msg"`
		// Of the answers of before.
		StatusCode *int `json:"StatusCode"`
	}
	if json.Unmarshal(answer, &said) != nil || said.Code == nil && said.StatusCode == nil {
		return errors.New("it answered something that is no answer of Feishu's: " + quoted(answer))
	}
	const tooOften = 11232
	if said.Code == nil || *said.Code == 0 {
		return nil
	}
	return &notify.Refusal{Reason: fmt.Sprintf("Feishu refused it with code %d: %s", *said.Code, quoted([]byte(said.Msg))), Final: *said.Code != tooOften}
}

// macOf is the HMAC-SHA256 of a text, in base64.
func macOf(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = mac.Write([]byte(text)) // never fails
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
