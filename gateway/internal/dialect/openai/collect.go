package openai

import (
	"slices"
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// Collector gathers the events of one answer into a whole one, for a client that
// did not ask for a stream. Its zero value is not usable; one goroutine uses it.
type Collector struct {
	head      string
	stamp     stamp
	text      []byte // escaped, as it goes into the answer
	reasoning []byte // likewise
	calls     []collectedCall
	finish    chat.FinishReason
	usage     *chat.Usage
	whole     []byte // the upstream's own answer, stamped
	counted   bool   // whole has token counts
}

// collectedCall is a tool call whose pieces are being joined.
type collectedCall struct {
	index     int
	id, name  string
	arguments []byte // escaped
}

// NewCollector answers a collector for the answer to req.
func NewCollector(req *chat.Request) *Collector {
	c := &Collector{}
	c.stamp, c.head = newStamp(req, "chat.completion")
	return c
}

// Add takes the next event. It keeps nothing of ev.Raw.
func (c *Collector) Add(ev chat.Event) {
	if ev.Usage != nil {
		usage := *ev.Usage
		c.usage = &usage
	}
	if ev.Raw.Dialect == Dialect && ev.Raw.Whole {
		whole, has, ok := c.stamp.appendStamped(nil, ev.Raw.JSON, removal{})
		if ok {
			c.whole, c.counted = whole, has.usage
			return
		}
	}
	c.text = rawjson.AppendEscaped(c.text, ev.Text)
	c.reasoning = rawjson.AppendEscaped(c.reasoning, ev.Reasoning)
	for _, piece := range ev.ToolCalls {
		c.addCall(piece)
	}
	if ev.Finish != chat.Unfinished {
		c.finish = ev.Finish
	}
}

func (c *Collector) addCall(piece chat.ToolCall) {
	at := slices.IndexFunc(c.calls, func(call collectedCall) bool { return call.index == piece.Index })
	if at < 0 {
		at = len(c.calls)
		c.calls = append(c.calls, collectedCall{index: piece.Index})
	}
	call := &c.calls[at]
	if piece.ID != "" {
		call.id = piece.ID
	}
	call.name += piece.Name
	call.arguments = rawjson.AppendEscaped(call.arguments, piece.Arguments)
}

// JSON is the whole answer. An upstream's own answer is passed on as it came,
// with token counts added where it had none.
func (c *Collector) JSON() []byte {
	if c.whole != nil {
		return c.passOn()
	}
	dst := make([]byte, 0, len(c.head)+len(c.text)+len(c.reasoning)+256)
	dst = append(dst, c.head...)
	dst = append(dst, `{"index":0,"message":{"role":"assistant","content":`...)
	if len(c.text) == 0 && len(c.calls) > 0 {
		dst = append(dst, "null"...)
	} else {
		dst = appendQuoted(dst, c.text)
	}
	if len(c.reasoning) > 0 {
		dst = append(dst, `,"reasoning_content":`...)
		dst = appendQuoted(dst, c.reasoning)
	}
	dst = c.appendCalls(dst)
	dst = append(dst, `},"finish_reason":`...)
	if c.finish == chat.Unfinished {
		dst = append(dst, "null"...)
	} else {
		dst = rawjson.AppendString(dst, string(c.finish))
	}
	dst = append(dst, `}]`...)
	if c.usage != nil {
		dst = append(dst, `,"usage":`...)
		dst = appendUsage(dst, *c.usage)
	}
	return append(dst, '}')
}

func (c *Collector) passOn() []byte {
	if c.counted || c.usage == nil {
		return c.whole
	}
	s := rawjson.Over(c.whole)
	edit := rawjson.NewEdit(nil, c.whole)
	usage := string(appendUsage(nil, *c.usage))
	present := false
	for ok := s.Object(); ok; ok = s.Member() {
		if string(s.Key()) == "usage" {
			present = true
			replaceValue(&s, &edit, usage)
		} else {
			s.Skip()
		}
	}
	if !present { // the stamp has made sure that there are other members
		end := s.Pos() - 1
		edit.Replace(end, end, `,"usage":`+usage)
	}
	return edit.Bytes()
}

func (c *Collector) appendCalls(dst []byte) []byte {
	if len(c.calls) == 0 {
		return dst
	}
	slices.SortStableFunc(c.calls, func(a, b collectedCall) int { return a.index - b.index })
	dst = append(dst, `,"tool_calls":[`...)
	for i := range c.calls {
		call := &c.calls[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		id := call.id
		if id == "" {
			id = "call_" + strconv.Itoa(call.index) // clients must name it when they answer
		}
		dst = append(dst, `{"id":`...)
		dst = rawjson.AppendString(dst, id)
		dst = append(dst, `,"type":"function","function":{"name":`...)
		dst = rawjson.AppendString(dst, call.name)
		dst = append(dst, `,"arguments":`...)
		dst = appendQuoted(dst, call.arguments)
		dst = append(dst, `}}`...)
	}
	return append(dst, ']')
}

func appendQuoted(dst, escaped []byte) []byte {
	dst = append(dst, '"')
	dst = append(dst, escaped...)
	return append(dst, '"')
}
