package anthropic

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/dialect/callextra"
	"carousel.internal/gateway/internal/rawjson"
)

// ending is what is known of how an answer ended.
type ending struct {
	finish   chat.FinishReason
	stopText string
	// calls counts the answer's calls; refused: it said that it would not.
	calls   int
	refused bool
}

// see takes what an event says of the end.
func (e *ending) see(event *chat.Event) {
	if event.Open != nil {
		switch event.Kind {
		case chat.CallBlock:
			e.calls++
		case chat.RefusalBlock:
			e.refused = true
		case chat.TextBlock, chat.ReasoningBlock, chat.OpaqueBlock:
		}
	}
	if event.Finish != chat.Unfinished {
		e.finish, e.stopText = event.Finish, event.StopText
	}
}

// reason is the API's stop_reason. Whatever an upstream says: what was cut short was, and
// where there are calls, the client is to do them; where there are none, it must not wait
// for any.
func (e *ending) reason() string {
	switch {
	case e.finish == chat.Length:
		return "max_tokens"
	case e.finish == chat.WindowFull:
		return "model_context_window_exceeded"
	case e.finish == chat.ContentFilter, e.finish == chat.Refused:
		return refusal
	case e.calls > 0:
		return "tool_use"
	case e.finish == chat.StoppedAt && e.stopText != "":
		return stopSequence
	case e.finish == chat.Paused:
		return "pause_turn"
	case e.refused:
		return refusal
	default:
		return "end_turn"
	}
}

const (
	refusal      = "refusal"
	stopSequence = "stop_sequence"
)

// appendEnding appends the members that say how an answer ended.
func appendEnding(dst []byte, e *ending) []byte {
	reason := e.reason()
	dst = append(dst, `"stop_reason":"`...)
	dst = append(dst, reason...)
	dst = append(dst, `","stop_sequence":`...)
	if reason == stopSequence {
		dst = rawjson.AppendString(dst, e.stopText)
	} else {
		dst = append(dst, "null"...)
	}
	if reason == refusal {
		dst = append(dst, `,"stop_details":{"type":"refusal","category":null,"explanation":null}`...)
	}
	return dst
}

// appendUsage appends the token counts. The API has the parts of a prompt side by side:
// what no cache had or was given, what was written to one, what was read from one.
func appendUsage(dst []byte, usage *chat.Usage) []byte {
	count := func(name string, tokens int) {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, int64(max(tokens, 0)), 10)
	}
	hour := min(usage.CacheWriteHour, usage.CacheWrite)
	count(`{"input_tokens":`, usage.Fresh())
	count(`,"cache_creation_input_tokens":`, usage.CacheWrite)
	count(`,"cache_read_input_tokens":`, usage.CacheRead)
	count(`,"cache_creation":{"ephemeral_5m_input_tokens":`, usage.CacheWrite-hour)
	count(`,"ephemeral_1h_input_tokens":`, hour)
	count(`},"output_tokens":`, usage.Completion)
	if usage.Reasoning > 0 {
		count(`,"output_tokens_details":{"thinking_tokens":`, min(usage.Reasoning, usage.Completion))
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// appendHead appends an answer up to its content.
func appendHead(dst []byte, request *chat.Request) []byte {
	dst = append(dst, `{"id":`...)
	dst = rawjson.AppendString(dst, request.ID)
	dst = append(dst, `,"type":"message","role":"assistant","model":`...)
	dst = rawjson.AppendString(dst, request.Model)
	return append(dst, `,"content":[`...)
}

// callIDs gives each call of an answer an id of its own, where the upstream has not.
type callIDs struct {
	request *chat.Request
	taken   map[string]bool
}

func (c *callIDs) of(block *chat.Block) string {
	if c.taken == nil {
		c.taken = map[string]bool{}
	}
	id := block.ID
	for number := len(c.taken); id == "" || c.taken[id]; number++ {
		id = "toolu_" + c.request.ID + "_" + strconv.Itoa(number)
	}
	c.taken[id] = true
	return callextra.With(id, block.Extra)
}

// appendCall appends the block of a call up to its input.
func appendCall(dst []byte, id, name string) []byte {
	dst = append(dst, `{"type":"tool_use","id":`...)
	dst = rawjson.AppendString(dst, id)
	dst = append(dst, `,"name":`...)
	dst = rawjson.AppendString(dst, name)
	return append(dst, `,"input":`...)
}

// customInput is the member in which the input of a call stands that takes free text.
const customInput = `{"input":"`

// renamed appends an upstream's own message with the model that the client asked for; within
// is the member that has the message, empty where it is the whole.
func renamed(dst, raw []byte, within, model string) []byte {
	edit := rawjson.NewEdit(dst, raw)
	s := rawjson.Over(raw)
	rename(&s, &edit, within, model)
	if s.End() != nil {
		return append(dst, raw...)
	}
	return edit.Bytes()
}

func rename(s *rawjson.Scanner, edit *rawjson.Edit, within, model string) {
	if s.Kind() != rawjson.Object {
		s.Skip()
		return
	}
	for ok := s.Object(); ok; ok = s.Member() {
		switch key := string(s.Key()); {
		case within != "" && key == within:
			rename(s, edit, "", model)
		case within == "" && key == modelField && s.Kind() == rawjson.String:
			from := s.Pos()
			if s.Text() != model {
				edit.Replace(from, s.Pos(), string(rawjson.AppendString(nil, model)))
			}
		default:
			s.Skip()
		}
	}
}
