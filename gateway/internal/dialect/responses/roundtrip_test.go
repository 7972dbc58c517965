package responses_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/dialecttest"
)

// What a client is answered it sends back as history: each word, call and thought comes back
// as it was.
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
	var given strings.Builder
	for i := range events {
		event := &events[i]
		if event.Open != nil && event.Kind == chat.CallBlock {
			fmt.Fprintf(&given, "<%s %s>", event.Open.ID, event.Open.Name)
		}
		given.WriteString(event.Text)
		if event.Seal != nil {
			given.WriteString("#" + event.Seal.Data + event.Seal.Maker)
		}
	}
	var answer struct{ Output json.RawMessage }
	if err := json.Unmarshal([]byte(wholly(t, decoded(t, nil, `"input":"Hi"`), events...)), &answer); err != nil {
		t.Fatal(err)
	}
	items := strings.TrimSuffix(strings.TrimPrefix(string(answer.Output), "["), "]")
	if items == "" {
		return
	}
	request := decoded(t, nil, `"input":[`+items+`]`)
	var back strings.Builder
	for _, message := range request.Messages {
		if message.Role != chat.Assistant {
			continue
		}
		for i := range message.Parts {
			part := &message.Parts[i]
			switch {
			case part.Call != nil:
				fmt.Fprintf(&back, "<%s %s>%s", part.Call.ID, part.Call.Name, part.Call.Arguments)
			case part.Reasoning != nil:
				back.WriteString(part.Reasoning.Text)
				if part.Reasoning.Seal != "" {
					back.WriteString("#" + part.Reasoning.Seal + part.Reasoning.Maker)
				}
			default:
				back.WriteString(part.Text)
			}
		}
	}
	if got, want := back.String(), given.String(); got != want {
		t.Errorf("came back\n%q\nwas\n%q", got, want)
	}
}
