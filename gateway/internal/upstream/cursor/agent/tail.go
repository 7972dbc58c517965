package agent

import (
	"reflect"
	"slices"
	"strings"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream"
)

// told is an answer that ended in calls, as the client was told it.
type told struct {
	words string
	calls []upstream.CallPiece
}

// isIn tells whether messages are the answer, a result for each of its calls, and nothing else.
func (t *told) isIn(messages []chat.Message) bool {
	answer := 0
	for answer < len(messages) && messages[answer].Role == chat.Assistant {
		answer++
	}
	return t.isSaidIn(messages[:answer]) && t.isAnsweredIn(messages[answer:])
}

// isSaidIn tells whether messages are the answer. Clients trim its words, and write arguments
// anew.
func (t *told) isSaidIn(messages []chat.Message) bool {
	var words strings.Builder
	calls := 0
	for i := range messages {
		for j := range messages[i].Parts {
			part := &messages[i].Parts[j]
			switch {
			case part.Reasoning != nil:
			case part.Call != nil:
				if calls == len(t.calls) || !isCall(&t.calls[calls], part.Call) {
					return false
				}
				calls++
			case part.IsText():
				words.WriteString(part.Text)
			default:
				return false
			}
		}
	}
	return calls == len(t.calls) && strings.TrimSpace(words.String()) == strings.TrimSpace(t.words)
}

func isCall(told *upstream.CallPiece, call *chat.Call) bool {
	return call.ID == told.ID && call.Name == told.Name && call.Custom == told.Custom &&
		(call.Arguments == told.Arguments || sameJSON(call.Arguments, told.Arguments))
}

func sameJSON(a, b string) bool {
	one, ok := readJSON(a)
	other, also := readJSON(b)
	return ok && also && reflect.DeepEqual(one, other)
}

// isAnsweredIn tells whether messages have each call's result once, and nothing else.
func (t *told) isAnsweredIn(messages []chat.Message) bool {
	open := t.ids()
	for i := range messages {
		for j := range messages[i].Parts {
			part := &messages[i].Parts[j]
			if part.Result == nil {
				if part.IsText() && part.Text == "" {
					continue
				}
				return false
			}
			at := slices.Index(open, part.Result.CallID)
			if at < 0 {
				return false
			}
			open = slices.Delete(open, at, at+1)
		}
	}
	return len(open) == 0
}

func (t *told) ids() []string {
	ids := make([]string, len(t.calls))
	for i := range t.calls {
		ids[i] = t.calls[i].ID
	}
	return ids
}
