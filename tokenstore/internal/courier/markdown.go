package courier

import "strings"

// escapeMarkdown keeps a text from being read as markup by the chat services whose Markdown has no
// escapes that all of their clients honour: what could begin a link, a tag or emphasis becomes a
// character that looks like it.
func escapeMarkdown(text string) string {
	return strings.NewReplacer("*", "∗", "[", "［", "]", "］", "<", "＜", ">", "＞", "`", "ˋ").Replace(text)
}
