package courier

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"carousel.internal/tokenstore/internal/notify"
)

// maxWeCom bounds a message to WeCom, in bytes: its Markdown has at most 4,096.
const maxWeCom = 4000

// weComForm is for robots of groups in WeCom (企业微信). What is secret of one is its URL.
func weComForm(to notify.Destination, delivery notify.Delivery, _ time.Time) letter {
	said := messageOf(to, delivery)
	bold := func(text string) string { return "**" + escapeMarkdown(text) + "**" }
	title := "### " + said.title + "\n"
	return letter{url: to.Address(), accepted: chineseAccepted("WeCom", 45009), body: map[string]any{
		"msgtype":  "markdown",
		"markdown": map[string]any{"content": title + said.text(to.GetLanguage(), maxWeCom-len(title), bold, escapeMarkdown)},
	}}
}

// chineseAccepted reads answers that are 200 for errors, too, and have `errcode`. tooOften are
// those that say to try again later; -1 says that the service is busy.
func chineseAccepted(service string, tooOften ...int) func([]byte) error {
	return func(answer []byte) error {
		var said struct {
			Code *int   `json:"errcode"`
			Text string `json:"errmsg"`
		}
		if json.Unmarshal(answer, &said) != nil || said.Code == nil {
			return errors.New("it answered something that is no answer of " + service + "'s: " + quoted(answer))
		}
		if *said.Code == 0 {
			return nil
		}
		return &notify.Refusal{
			Reason: fmt.Sprintf("%s refused it with code %d: %s", service, *said.Code, quoted([]byte(said.Text))), Final: *said.Code != -1 && !slices.Contains(tooOften, *said.Code),
		}
	}
}
