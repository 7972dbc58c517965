package upstreamsim

import (
	"net/http"
	"strings"
)

// responseEvent is an event of the stream. Its sequence_number is given when it is sent.
type responseEvent struct {
	kind    string
	members jsonBody
	delta   bool // it is a piece of something
}

// eventsOf are the events of a whole answer.
func (c *responsesCall) eventsOf(r reply, end outcome) []responseEvent {
	events := c.beginning()
	output := []any{}
	for i, item := range c.itemsOf(r) {
		events = append(events, c.itemEvents(item, i)...)
		output = append(output, c.done(item))
	}
	object := c.ended(r, output, end)
	c.keeping = func() { c.keep(object, output) }
	return append(events, responseEvent{kind: "response." + end.status, members: jsonBody{"response": object}})
}

// beginning are the events before the first item.
func (c *responsesCall) beginning() []responseEvent {
	object := c.object("in_progress", []any{})
	return []responseEvent{
		{kind: "response.created", members: jsonBody{"response": object}},
		{kind: "response.in_progress", members: jsonBody{"response": object}},
	}
}

// itemEvents are the events of an item.
func (c *responsesCall) itemEvents(item outputItem, index int) []responseEvent {
	events := []responseEvent{{kind: "response.output_item.added", members: jsonBody{"output_index": index, "item": c.begun(item)}}}
	at := jsonBody{"item_id": item.id, "output_index": index}
	switch item.kind {
	case reasoningBlock:
		events = append(events, c.reasoningEvents(item, at)...)
	case callBlock:
		events = append(events, callEvents(item, at)...)
	default:
		events = append(events, c.messageEvents(item, at)...)
	}
	return append(events, responseEvent{kind: "response.output_item.done", members: jsonBody{"output_index": index, "item": c.done(item)}})
}

// deltas are an event a piece, and one of all of them.
func deltas(kind string, item outputItem, at jsonBody, whole string, more jsonBody) []responseEvent {
	var events []responseEvent
	for _, piece := range item.pieces {
		members := changed(at, jsonBody{"delta": piece})
		if logprobs, found := more["logprobs"]; found {
			members["logprobs"] = logprobs
		}
		events = append(events, responseEvent{kind: kind + ".delta", members: members, delta: true})
	}
	return append(events, responseEvent{kind: kind + ".done", members: changed(changed(at, more), jsonBody{whole: item.text()})})
}

func (c *responsesCall) messageEvents(item outputItem, at jsonBody) []responseEvent {
	at = changed(at, jsonBody{"content_index": 0})
	kind, whole, more := "response.output_text", "text", jsonBody{"logprobs": []any{}}
	empty := jsonBody{"type": "output_text", "text": "", "annotations": []any{}, "logprobs": []any{}}
	if item.kind == refusalBlock {
		kind, whole, more = "response.refusal", "refusal", nil
		empty = jsonBody{"type": "refusal", "refusal": ""}
	}
	events := []responseEvent{{kind: "response.content_part.added", members: changed(at, jsonBody{"part": empty})}}
	said := deltas(kind, item, at, whole, more)
	if c.annotated && item.kind == textBlock {
		last := len(said) - 1
		cited := responseEvent{
			kind:    "response.output_text.annotation.added",
			members: changed(at, jsonBody{"annotation_index": 0, "annotation": citation(item.text())}),
		}
		said = append(said[:last:last], cited, said[last])
	}
	return append(append(events, said...), responseEvent{kind: "response.content_part.done", members: changed(at, jsonBody{"part": c.partOf(item)})})
}

func (c *responsesCall) reasoningEvents(item outputItem, at jsonBody) []responseEvent {
	switch {
	case c.raw:
		return deltas("response.reasoning_text", item, changed(at, jsonBody{"content_index": 0}), "text", nil)
	case !c.summary:
		return nil
	}
	at = changed(at, jsonBody{"summary_index": 0})
	part := func(text string) jsonBody {
		return changed(at, jsonBody{"part": jsonBody{"type": "summary_text", "text": text}})
	}
	events := []responseEvent{{kind: "response.reasoning_summary_part.added", members: part("")}}
	events = append(events, deltas("response.reasoning_summary_text", item, at, "text", nil)...)
	return append(events, responseEvent{kind: "response.reasoning_summary_part.done", members: part(item.text())})
}

func callEvents(item outputItem, at jsonBody) []responseEvent {
	if item.custom {
		return deltas("response.custom_tool_call_input", item, at, "input", nil)
	}
	_, name, split := strings.Cut(item.name, namespaceMark)
	if !split {
		name = item.name
	}
	return deltas("response.function_call_arguments", item, at, "arguments", jsonBody{"name": name})
}

// written is an event as it is sent, under the next number.
func (c *responsesCall) written(e responseEvent) []byte {
	members := changed(e.members, jsonBody{"type": e.kind, "sequence_number": c.next})
	c.next++
	if e.delta && c.obfuscates() {
		members["obfuscation"] = padding(c.next, members["delta"])
	}
	name := strings.Replace(c.format.field, "data", "event", 1)
	to := append([]byte(c.format.before), name+e.kind+c.format.newline+c.format.field...)
	return c.format.endEvent(append(to, jsonOf(members)...))
}

// obfuscates tells whether deltas have a padding, as they do unless it is switched off.
func (c *responsesCall) obfuscates() bool {
	wish := c.asked.get("stream_options").get("include_obfuscation")
	return wish == nil || wish.isTrue()
}

// padding makes deltas of any text equally long, mostly.
func padding(number int, delta any) string {
	const unit = 16
	text, _ := delta.(string)
	return hashOf(sixteenDigits(uint64(number)))[:unit-len(text)%unit] //nolint:gosec // it counts from 0
}

// play sends events, with a wait before each delta.
func (c *responsesCall) play(events []responseEvent) step {
	return func() error {
		for _, e := range events {
			if e.delta {
				if err := c.between(); err != nil {
					return err
				}
			}
			if err := c.send(c.written(e)); err != nil {
				return err
			}
			if c.beats && e.delta {
				if err := c.send(c.written(responseEvent{kind: "keepalive"})); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// playAll sends all events and ends the answer.
func (c *responsesCall) playAll(events []responseEvent) step {
	last := len(events) - 1
	return func() error {
		return inOrder(c.play(events[:last]), func() error {
			c.keepNow()
			return c.finish(c.written(events[last]))
		})
	}
}

// headAnswer sets the headers of the answer.
func (c *responsesCall) headAnswer() error {
	kind := jsonType
	if c.streaming() {
		kind = eventStream
		c.w.Header().Set("Cache-Control", "no-cache")
	}
	c.w.Header().Set("Content-Type", kind)
	return nil
}

// say answers with a reply, as a stream or as an object.
func (c *responsesCall) say(r reply) error {
	r = c.shaped(r)
	return c.sayAs(r, outcomeOf(r))
}

func (c *responsesCall) sayAs(r reply, end outcome) error {
	_ = c.headAnswer()
	if c.asked.get("background").isTrue() && !c.streaming() {
		return c.queue(r)
	}
	events := c.eventsOf(r, end)
	if c.streaming() {
		return c.playAll(events)()
	}
	return c.whole(events[len(events)-1].members["response"])
}

// whole answers with an object, which is kept if it is to be.
func (c *responsesCall) whole(object any) error {
	c.keepNow()
	return c.answerWhole(http.StatusOK, jsonType, jsonOf(object))
}

// keepNow keeps what is to be kept of the answer: it comes to its end.
func (c *responsesCall) keepNow() {
	if c.keeping != nil {
		c.keeping()
	}
}

// shaped is the reply with reasoning where that is asked for, and within the output limit.
func (c *responsesCall) shaped(r reply) reply {
	if c.reasons() && !r.has(reasoningBlock) {
		r.blocks = append([]block{reasoningOf(thoughts)}, r.blocks...)
	}
	return c.fitted(r)
}

// queue answers before the reply is made, in the background; it is there when it is asked for.
func (c *responsesCall) queue(r reply) error {
	output := []any{}
	for _, item := range c.itemsOf(r) {
		output = append(output, c.done(item))
	}
	object := c.ended(r, output, completed)
	object["status"], object["output"], object["completed_at"] = "queued", []any{}, nil
	c.keep(object, output)
	return c.answerWhole(http.StatusOK, jsonType, jsonOf(object))
}
