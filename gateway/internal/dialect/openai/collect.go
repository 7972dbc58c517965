package openai

import (
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
	refusal   []byte // likewise
	thought   thought
	thoughts  []byte // sealed ones, with commas between them
	calls     []collectedCall
	finish    chat.FinishReason
	usage     chat.Usage
	told      bool   // usage is
	whole     []byte // the upstream's own answer, stamped
	counted   bool   // whole has token counts
}

// collectedCall is a tool call whose pieces are being joined.
type collectedCall struct {
	id, name  string
	custom    bool
	extra     *chat.Opaque
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
		c.usage, c.told = *ev.Usage, true
	}
	if ev.Raw.Dialect == Dialect && ev.Raw.Whole {
		c.whole, c.counted = c.stamp.whole(&ev.Raw)
	}
	if c.whole != nil {
		return
	}
	switch ev.Kind {
	case chat.TextBlock:
		c.text = rawjson.AppendEscaped(c.text, ev.Text)
	case chat.ReasoningBlock:
		c.addThought(&ev)
	case chat.RefusalBlock:
		c.refusal = rawjson.AppendEscaped(c.refusal, ev.Text)
	case chat.CallBlock:
		c.addCall(&ev)
	case chat.OpaqueBlock: // only its own dialect knows what it is
	}
	if ev.Finish != chat.Unfinished {
		c.finish = ev.Finish
	}
}

func (c *Collector) addCall(ev *chat.Event) {
	if ev.Open != nil {
		open := ev.Open
		c.calls = append(c.calls, collectedCall{id: callID(open.ID, len(c.calls)), name: open.Name, custom: open.Custom, extra: open.Extra})
	}
	call := &c.calls[len(c.calls)-1]
	call.arguments = rawjson.AppendEscaped(call.arguments, ev.Text)
}

func (c *Collector) addThought(ev *chat.Event) {
	c.reasoning = rawjson.AppendEscaped(c.reasoning, ev.Text)
	c.thought.add(ev)
	if c.thought.sealed(ev) {
		if len(c.thoughts) > 0 {
			c.thoughts = append(c.thoughts, ',')
		}
		c.thoughts = c.thought.appendTo(c.thoughts, ev.Seal)
	}
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
	if len(c.text) == 0 && len(c.calls)+len(c.refusal) > 0 {
		dst = append(dst, "null"...)
	} else {
		dst = appendQuoted(dst, c.text)
	}
	if len(c.reasoning) > 0 {
		dst = append(dst, `,"reasoning_content":`...)
		dst = appendQuoted(dst, c.reasoning)
	}
	if len(c.thoughts) > 0 {
		dst = append(dst, `,"thinking_blocks":[`...)
		dst = append(dst, c.thoughts...)
		dst = append(dst, ']')
	}
	dst = append(dst, `,"refusal":`...)
	if len(c.refusal) == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = appendQuoted(dst, c.refusal)
	}
	dst = c.appendCalls(dst)
	dst = append(dst, `},"finish_reason":`...)
	if c.finish == chat.Unfinished {
		dst = append(dst, "null"...)
	} else {
		dst = rawjson.AppendString(dst, finishReason(c.finish, tally{calls: len(c.calls), refused: len(c.refusal) > 0}))
	}
	dst = append(dst, `}]`...)
	if c.told {
		dst = append(dst, `,"usage":`...)
		dst = appendUsage(dst, c.usage)
	}
	return append(dst, '}')
}

func (c *Collector) passOn() []byte {
	if c.counted || !c.told {
		return c.whole
	}
	s := rawjson.Over(c.whole)
	edit := rawjson.NewEdit(nil, c.whole)
	usage := string(appendUsage(nil, c.usage))
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
	dst = append(dst, `,"tool_calls":[`...)
	for i := range c.calls {
		call := &c.calls[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"id":`...)
		dst = rawjson.AppendString(dst, call.id)
		dst = call.appendBody(dst, c.finish == chat.Length)
	}
	return append(dst, ']')
}

// appendBody appends what is called and with what; cut: the answer may have been cut there.
func (call *collectedCall) appendBody(dst []byte, cut bool) []byte {
	form := formOf(call.custom)
	dst = append(dst, form.kind...)
	dst = append(dst, form.object...)
	dst = append(dst, `"name":`...)
	dst = rawjson.AppendString(dst, call.name)
	dst = append(dst, ',')
	dst = append(dst, form.text...)
	if len(call.arguments) == 0 && !cut && !call.custom {
		dst = append(dst, `"{}"`...) // a tool without parameters; clients parse it
	} else {
		dst = appendQuoted(dst, call.arguments)
	}
	return append(appendExtra(append(dst, '}'), call.extra), '}')
}

func appendQuoted(dst, escaped []byte) []byte {
	dst = append(dst, '"')
	dst = append(dst, escaped...)
	return append(dst, '"')
}
