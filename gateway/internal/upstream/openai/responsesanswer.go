package openai

import (
	"bytes"

	"carousel.internal/gateway/internal/chat"
	"carousel.internal/gateway/internal/upstream/wire"
)

// responsesAnswer follows an answer of the Responses API and makes canonical events of it. Its
// zero value is ready.
//
// What an item says is told as it comes, of one item at a time; of any other it is told when it
// is complete and the one before it is.
type responsesAnswer struct {
	events []chat.Event
	// opened counts the blocks that have been opened; block is the open one's kind, if one is.
	opened int
	open   bool
	block  chat.BlockKind
	// current is the item that is told as it comes.
	current currentItem
	// waiting are complete items that have not been told, in their order, and held their bytes.
	waiting [][]byte
	held    int
	// said: there is something in the answer, called: a call of the client's tools, told: an
	// item has been.
	said, called, told bool
	fault              string
}

// currentItem is an item that has begun.
type currentItem struct {
	begun, spoken bool
	index         int
	// part is the piece of the item that its latest words belong to.
	part int
}

// itemsTooLarge is the fault of an answer that can't be told.
const itemsTooLarge = "the answer's items are larger than 32 MiB"

// wordKinds are the blocks that deltas of words belong to.
var wordKinds = map[string]chat.BlockKind{
	textDelta: chat.TextBlock, refusalDelta: chat.RefusalBlock, summaryDelta: chat.ReasoningBlock, thoughtDelta: chat.ReasoningBlock,
}

// take returns the events of a frame that does not end the answer: none, or a few. They are
// valid until the next call.
func (a *responsesAnswer) take(f *responseFrame) []chat.Event {
	a.events = a.events[:0]
	switch f.kind {
	case itemAdded:
		a.begin(f)
	case itemDone:
		a.done(f)
	case argumentsDelta, customDelta:
		if a.current.begun && a.current.index == f.output && a.open && a.block == chat.CallBlock {
			a.say(chat.CallBlock, f.delta)
		}
	default:
		if kind, is := wordKinds[f.kind]; is {
			a.words(kind, f)
		}
	}
	return a.events
}

// begin takes a new item. A call is told at once, since clients show it.
func (a *responsesAnswer) begin(f *responseFrame) {
	if a.current.begun {
		return
	}
	a.current = currentItem{begun: true, index: f.output}
	if it := readItem(f.item); it.isCall() && it.name != "" {
		a.openCall(&it)
	}
}

func (it *responseItem) isCall() bool { return it.custom || it.kind == "function_call" }

func (a *responsesAnswer) openCall(it *responseItem) {
	a.called = true
	a.openBlock(chat.CallBlock, &chat.Block{ID: it.callID, Name: it.name, Custom: it.custom})
}

// words takes a piece of what is said, thought or refused. Some upstreams begin no items.
func (a *responsesAnswer) words(kind chat.BlockKind, f *responseFrame) {
	switch {
	case !a.current.begun:
		a.current = currentItem{begun: true, index: f.output}
	case a.current.index != f.output:
		return
	}
	apart := kind == chat.ReasoningBlock && a.current.spoken && a.current.part != f.part
	a.current.part, a.current.spoken = f.part, true
	if apart {
		a.say(kind, paragraph)
	}
	a.say(kind, f.delta)
}

// paragraph stands between two pieces of a thought.
const paragraph = "\n\n"

// done takes a complete item.
func (a *responsesAnswer) done(f *responseFrame) {
	if a.current.begun && a.current.index != f.output {
		if a.held += len(f.item); a.held > wire.MaxAnswer {
			a.fault = itemsTooLarge
			return
		}
		a.waiting = append(a.waiting, bytes.Clone(f.item))
		return
	}
	a.complete(f.item)
	a.proceed()
}

// proceed tells what has waited for the current item's end.
func (a *responsesAnswer) proceed() {
	waiting := a.waiting
	a.waiting, a.held = nil, 0
	for _, item := range waiting {
		a.complete(item)
	}
}

// complete tells what has not been told of an item, and ends it.
func (a *responsesAnswer) complete(item []byte) {
	it := readItem(item)
	switch {
	case it.isCall():
		a.completeCall(&it)
	case it.thoughts:
		a.completeThoughts(&it)
	case it.kind == "message":
		a.completeMessage(&it)
	case it.kind != "":
		a.close()
		a.openBlock(chat.OpaqueBlock, &chat.Block{Opaque: &chat.Opaque{Dialect: responsesDialect, Type: it.kind, JSON: bytes.Clone(it.json)}})
	}
	a.close()
	a.told, a.current = true, currentItem{}
}

func (a *responsesAnswer) completeCall(it *responseItem) {
	if !a.open || a.block != chat.CallBlock {
		a.close()
		a.openCall(it)
	}
	if !a.current.spoken {
		a.say(chat.CallBlock, it.input)
	}
}

func (a *responsesAnswer) completeThoughts(it *responseItem) {
	if !a.current.spoken {
		for i, part := range it.parts {
			if i > 0 {
				a.say(chat.ReasoningBlock, paragraph)
			}
			a.say(chat.ReasoningBlock, part.text)
		}
	}
	if it.seal == "" {
		return
	}
	if !a.open || a.block != chat.ReasoningBlock {
		a.close()
		a.openBlock(chat.ReasoningBlock, &chat.Block{Redacted: true})
	}
	a.events = append(a.events, chat.Event{
		Block: a.opened - 1, Kind: chat.ReasoningBlock, Seal: &chat.Seal{Data: it.seal, Maker: responsesDialect},
	})
}

func (a *responsesAnswer) completeMessage(it *responseItem) {
	if a.current.spoken {
		return
	}
	for _, part := range it.parts {
		kind := chat.TextBlock
		if part.refusal {
			kind = chat.RefusalBlock
		}
		a.say(kind, part.text)
	}
}

// say continues the block of a kind, or begins one.
func (a *responsesAnswer) say(kind chat.BlockKind, text string) {
	if text == "" {
		return
	}
	if !a.open || a.block != kind {
		a.close()
		a.openBlock(kind, &chat.Block{})
	}
	if n := len(a.events); n > 0 && a.events[n-1].Open != nil && a.events[n-1].Text == "" && !a.events[n-1].Close {
		a.events[n-1].Text = text
	} else {
		a.events = append(a.events, chat.Event{Block: a.opened - 1, Kind: kind, Text: text})
	}
	if kind == chat.CallBlock {
		a.current.spoken = true
	}
}

func (a *responsesAnswer) openBlock(kind chat.BlockKind, block *chat.Block) {
	a.events = append(a.events, chat.Event{Block: a.opened, Kind: kind, Open: block})
	a.opened, a.open, a.block, a.said = a.opened+1, true, kind, true
}

// close ends the open block, if there is one.
func (a *responsesAnswer) close() {
	if !a.open {
		return
	}
	a.open = false
	if n := len(a.events); n > 0 && a.events[n-1].Block == a.opened-1 && a.events[n-1].Finish == chat.Unfinished {
		a.events[n-1].Close = true
		return
	}
	a.events = append(a.events, chat.Event{Block: a.opened - 1, Kind: a.block, Close: true})
}

// end returns the events of the answer's end. Items that only the end has are told from there.
func (a *responsesAnswer) end(response *responseObject) []chat.Event {
	a.events = a.events[:0]
	a.close()
	a.current = currentItem{}
	a.proceed()
	if !a.told && !a.said {
		for _, item := range response.output {
			a.complete(item)
		}
	}
	finish := chat.Stop
	switch {
	case response.status == "incomplete" && response.reason == "content_filter":
		finish = chat.ContentFilter
	case response.status == "incomplete":
		finish = chat.Length
	case a.called:
		finish = chat.CalledTools
	}
	a.events = append(a.events, chat.Event{Finish: finish, Usage: response.usage})
	return a.events
}
