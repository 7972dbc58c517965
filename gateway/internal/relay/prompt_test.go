package relay

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"carousel.internal/gateway/internal/chat"
)

func says(role chat.Role, texts ...string) chat.Message {
	message := chat.Message{Role: role}
	for _, text := range texts {
		message.Parts = append(message.Parts, chat.Part{Text: text})
	}
	return message
}

func TestPromptOf(t *testing.T) {
	t.Parallel()
	picture := says(chat.User, "", "what is this?", "say it")
	picture.Parts[0].Image = &chat.Image{URL: "data:image/png;base64,AAAA"}
	got, cut := promptOf(&chat.Request{Messages: []chat.Message{
		says(chat.System, "be brief"), says(chat.User, "hello"), says(chat.Assistant, "hi", "there"), says(chat.Tool), picture,
	}})
	want := "<|BEGIN_SYSTEM|>\nbe brief\n<|END_SYSTEM|>\n<|BEGIN_USER|>\nhello\n<|END_USER|>\n" +
		"<|BEGIN_ASSISTANT|>\nhi\nthere\n<|END_ASSISTANT|>\n<|BEGIN_TOOL|>\n<|END_TOOL|>\n" +
		"<|BEGIN_USER|>\nwhat is this?\nsay it\n<|END_USER|>\n"
	if got != want || cut {
		t.Errorf("%q, cut: %v", got, cut)
	}
}

// A long conversation is cut between characters, wherever the end falls.
func TestPromptIsCut(t *testing.T) {
	t.Parallel()
	const around = len("<|BEGIN_USER|>\n") + len("\n<|END_USER|>\n")
	for name, test := range map[string]struct {
		texts  []string
		length int
		cut    bool
	}{
		"fits":                   {[]string{strings.Repeat("x", maxPrompt-around)}, maxPrompt, false},
		"one too long":           {[]string{strings.Repeat("x", maxPrompt-around+1)}, maxPrompt, true},
		"within a character":     {[]string{strings.Repeat("é", maxPrompt)}, maxPrompt - 1, true},
		"within a later one":     {slices.Repeat([]string{strings.Repeat("語", 5000)}, 20), maxPrompt - 1, true},
		"full before the marker": {[]string{strings.Repeat("x", maxPrompt-around+len("\n<|END_USER|>\n"))}, maxPrompt, true},
	} {
		got, cut := promptOf(&chat.Request{Messages: []chat.Message{says(chat.User, test.texts...)}})
		if len(got) > maxPrompt || len(got) < test.length-2 || cut != test.cut || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes, cut: %v", name, len(got), cut)
		}
	}
}
