package relay

import (
	"bytes"
	"encoding/json"
	"strings"

	"carousel.internal/gateway/internal/carried"
	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/tokencount"
)

// wording keeps the beginning of an answer of text that goes by as it is, so that what its upstream
// does not count can be estimated: a stream is counted only where the client asks for that, and
// never where it hangs up.
type wording struct {
	kept   []byte
	length int
}

func (w *wording) add(piece []byte) {
	w.length += len(piece)
	w.kept = append(w.kept, piece[:min(len(piece), maxCounted-len(w.kept))]...)
}

// estimate is the usage of a request and of as much of its answer as has come.
func (w *wording) estimate(request *carried.Request, source chat.UsageSource) chat.Usage {
	completion := scaled(tokencount.Text(w.text()), len(w.kept), w.length)
	return chat.Usage{Prompt: tokencount.Text(request.Prompt), Completion: completion, Source: source}
}

// text is that of all choices: of one object, or of those in the lines of a stream.
func (w *wording) text() string {
	var text strings.Builder
	for line := range bytes.Lines(w.kept) {
		data, isEvent := bytes.CutPrefix(line, []byte("data:"))
		if isEvent {
			writeChoices(&text, data)
		}
	}
	if text.Len() == 0 {
		writeChoices(&text, w.kept)
	}
	return text.String()
}

// writeChoices adds the choices of an object; what is none, or is cut, has none.
func writeChoices(text *strings.Builder, object []byte) {
	var answer struct {
		Choices []struct {
			Text string `json:"text"`
		} `json:"choices"`
	}
	if json.Unmarshal(object, &answer) != nil {
		return
	}
	for _, choice := range answer.Choices {
		text.WriteString(choice.Text)
	}
}
