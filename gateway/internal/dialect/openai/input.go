package openai

import (
	"strconv"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/rawjson"
)

// inputForm is the dialect of a body in the form of the Responses API, which Cursor sends to
// this API's address for some models: `input` and `instructions` in the place of
// `messages`. No upstream of this API takes such a body, so that it is always translated;
// its answer is this API's.
const inputForm = Dialect + "/input"

// inputFields are those that a body of that form has beside, or in other shapes than, this
// API's.
var inputFields = map[string]bool{
	"input": true, "instructions": true, "text": true, "max_output_tokens": true, "previous_response_id": true,
	"conversation": true, "prompt": true, "background": true, "include": true, "truncation": true,
}

// Places of messages that are no item of a list.
const (
	inInstructions = -1
	inInput        = -2
)

// readInput goes over a body of that form again, for what the first pass has left out.
func (d *decoder) readInput() error {
	d.req.Source.Dialect = inputForm
	for i := range d.req.Tools { // flat ones are of no use in this API
		d.req.Tools[i].Own.Dialect = inputForm
	}
	d.s = rawjson.Over(d.req.Source.JSON)
	var instructions []chat.Message
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		var err error
		switch key := string(d.s.Key()); key {
		case "instructions":
			instructions, err = d.instructions()
		case "input":
			err = d.input()
		case "text":
			d.textWish()
		case "max_output_tokens":
			d.limit(newLimit)
		case "previous_response_id", "conversation", "prompt":
			d.askIf(d.s.Kind() != rawjson.Null, key, chat.State)
			d.s.Skip()
		case "background":
			later := d.truth()
			d.askIf(later != nil && *later, key, chat.State)
		default:
			d.s.Skip()
		}
		if err != nil {
			return err
		}
	}
	if len(instructions) > 0 {
		d.req.Messages = append(instructions, d.req.Messages...)
		d.items = append([]int{inInstructions}, d.items...)
	}
	pairCalls(d.req.Messages, false)
	items := d.items
	d.req.Locate = func(message, part int) string { return placeInInput(items, message, part) }
	return nil
}

// placeInInput names a part in the client's terms.
func placeInInput(items []int, message, part int) string {
	if message >= len(items) {
		return "input"
	}
	switch item := items[message]; {
	case item == inInstructions:
		return "instructions"
	case item == inInput:
		return "input"
	case part < 0:
		return "input[" + strconv.Itoa(item) + "]"
	default:
		return "input[" + strconv.Itoa(item) + "].content[" + strconv.Itoa(part) + "]"
	}
}

// instructions consumes what stands before all messages.
func (d *decoder) instructions() ([]chat.Message, error) {
	text, err := d.optionalText("instructions")
	if text == "" {
		return nil, err
	}
	return []chat.Message{{Role: chat.System, Parts: []chat.Part{{Text: text}}}}, nil
}

// input consumes a question, or a list of items.
func (d *decoder) input() error {
	d.req.Messages, d.items, d.req.HistoryFault = nil, nil, nil
	switch d.s.Kind() {
	case rawjson.String:
		if text := d.s.Text(); text != "" {
			d.putItem(inInput, chat.Message{Role: chat.User, Parts: []chat.Part{{Text: text}}})
		}
		return nil
	case rawjson.Null:
		d.s.Skip()
		return nil
	case rawjson.Array:
	default:
		return d.mismatch("input", "a string or an array of items")
	}
	index := 0
	for ok := d.s.Array(); ok; ok = d.s.Element() {
		start := d.s
		if err := d.item(index); err != nil {
			if d.req.HistoryFault == nil {
				d.req.HistoryFault = chat.AsError(err)
			}
			d.s = start
			d.s.Skip()
			d.putItem(index, chat.Message{})
		}
		index++
	}
	return nil
}

// putItem adds what an item says. Thoughts, words and calls of one answer are one message.
func (d *decoder) putItem(index int, message chat.Message) {
	if last := len(d.req.Messages) - 1; last >= 0 && message.Role == chat.Assistant && d.req.Messages[last].Role == chat.Assistant {
		parts := d.req.Messages[last].Parts
		d.req.Messages[last].Parts = append(parts[:len(parts):len(parts)], message.Parts...)
		return
	}
	d.req.Messages = append(d.req.Messages, message)
	d.items = append(d.items, index)
}

// itemDraft is an item of which not all is known yet.
type itemDraft struct {
	draft
	kind string
	call chat.Call
	// thoughts are a summary of what was thought.
	thoughts []chat.Part
}

// item consumes an item.
func (d *decoder) item(index int) error {
	at := place{root: "input", message: index, part: -1, call: -1}
	if d.s.Kind() != rawjson.Object {
		return d.mismatchAt(at, "", "an object")
	}
	from := d.s.Pos()
	var it itemDraft
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		if err := d.itemField(&it, at); err != nil {
			return err
		}
	}
	if d.s.Failed() {
		return nil
	}
	message, err := it.message(at, d.req.Source.JSON[from:d.s.Pos()])
	if err != nil {
		return err
	}
	d.askIf(it.kind == "item_reference", at.param(""), chat.State)
	d.putItem(index, message)
	return nil
}

func (d *decoder) itemField(it *itemDraft, at place) (err error) {
	switch key := string(d.s.Key()); key {
	case "type":
		it.kind = d.word()
	case "output":
		it.Parts, it.hasContent, err = d.content(at)
	case "summary":
		it.thoughts, _, err = d.content(at)
	case "call_id":
		it.callID = d.word()
	case "name":
		it.call.Name = d.word()
	case "arguments", "input":
		it.call.Custom = key == "input"
		err = d.arguments(at, "", key, &it.call)
	default: // some clients put messages of this API in between
		err = d.messageField(&it.draft, at)
	}
	return err
}

// message is what an item of which JSON is all says.
func (it *itemDraft) message(at place, json []byte) (chat.Message, error) {
	switch it.kind {
	case "", "message":
		err := it.validate(at)
		return it.Message, err
	case "function_call", "custom_tool_call":
		it.call.ID = it.callID
		return chat.Message{Role: chat.Assistant, Parts: []chat.Part{{Call: &it.call}}}, nil
	case "function_call_output", "custom_tool_call_output":
		if it.callID == "" {
			return chat.Message{}, invalid(at.param("call_id"), "`%s` is missing: it must name the call that the item answers", at.param("call_id"))
		}
		return chat.Message{Role: chat.Tool, Parts: []chat.Part{{Result: &chat.Result{CallID: it.callID, Parts: it.Parts}}}}, nil
	case "reasoning":
		text := chat.Text(it.Parts)
		if text == "" {
			text = chat.Text(it.thoughts)
		}
		return chat.Message{Role: chat.Assistant, Parts: []chat.Part{{Reasoning: &chat.Reasoning{Text: text}}}}, nil
	default:
		return chat.Message{Role: chat.Assistant, Parts: []chat.Part{{Opaque: &chat.Opaque{Dialect: inputForm, Type: cut(it.kind), JSON: json}}}}, nil
	}
}

// textWish consumes {"format":{"type":…, "name":…, "schema":{…}, "strict":…}, "verbosity":…}.
func (d *decoder) textWish() {
	if d.s.Kind() != rawjson.Object {
		d.s.Skip()
		return
	}
	for ok := d.s.Object(); ok; ok = d.s.Member() {
		switch string(d.s.Key()) {
		case "format":
			d.responseFormat("text.format")
		case "verbosity":
			d.req.Verbosity = d.word()
		default:
			d.s.Skip()
		}
	}
}
