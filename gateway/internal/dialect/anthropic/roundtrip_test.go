package anthropic_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect"
	"carousel.internal/gateway/internal/dialect/anthropic"
	"carousel.internal/gateway/internal/dialect/dialecttest"
)

// What a client is answered it sends back as history: each word, call and thought comes
// back as it was.
func TestAnswersComeBack(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		comesBack(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzAnswersComeBack(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(comesBack)
}

func comesBack(t *testing.T, seed uint64) {
	events := dialecttest.Generate(seed)
	whole := anthropic.API{}.Whole(asked(), dialect.Options{})
	var given strings.Builder
	for _, event := range events {
		whole.Add(event)
		given.WriteString(spoken(event))
	}
	var answer struct{ Content json.RawMessage }
	if err := json.Unmarshal(whole.JSON(), &answer); err != nil {
		t.Fatal(err)
	}
	r := decoded(t, said(`{"role":"user","content":"Hi"},{"role":"assistant","content":`+string(answer.Content)+`}`))
	var back strings.Builder
	for _, message := range r.Messages {
		if message.Role != chat.Assistant {
			continue
		}
		for _, part := range message.Parts {
			switch {
			case part.Call != nil && strings.HasPrefix(part.Call.Arguments, `{"INVALID_JSON"`):
				var cut map[string]string
				_ = json.Unmarshal([]byte(part.Call.Arguments), &cut)
				fmt.Fprintf(&back, "<%s %s>%s", part.Call.ID, part.Call.Name, cut["INVALID_JSON"])
			case part.Call != nil:
				fmt.Fprintf(&back, "<%s %s>%s", part.Call.ID, part.Call.Name, part.Call.Arguments)
			case part.Reasoning != nil:
				back.WriteString(part.Reasoning.Text)
				if part.Reasoning.Seal != "" {
					fmt.Fprintf(&back, "[%s %s]", part.Reasoning.Maker, part.Reasoning.Seal)
				}
			default:
				back.WriteString(part.Text)
			}
		}
	}
	if r.HistoryFault != nil || back.String() != given.String() {
		t.Errorf("%v, back comes\n%q, given was\n%q", r.HistoryFault, back.String(), given.String())
	}
}

// spoken is what an event says.
func spoken(event chat.Event) string {
	text := event.Text
	if event.Open != nil && event.Kind == chat.CallBlock {
		text = fmt.Sprintf("<%s %s>", event.Open.ID, event.Open.Name) + text
	}
	if event.Seal != nil {
		text += fmt.Sprintf("[%s %s]", event.Seal.Maker, event.Seal.Data)
	}
	return text
}
