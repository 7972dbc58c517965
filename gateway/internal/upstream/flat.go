package upstream

import (
	"cmp"
	"errors"

	"carousel.internal/gateway/internal/chat"
)

// Flat is a step of an answer in a wire that has no blocks: what came at once.
type Flat struct {
	Text, Reasoning, Refusal string
	// Calls are pieces of calls. Pieces of several calls may come in turns.
	Calls  []CallPiece
	Finish chat.FinishReason
	Usage  *chat.Usage
	Raw    chat.Raw
	More   bool
}

// CallPiece is a piece of a call. Pieces of one Index belong together; the first has the
// id and the name, which may go on until there are arguments.
type CallPiece struct {
	Index     int
	ID        string
	Name      string
	Arguments string
	Custom    bool
	Extra     *chat.Opaque
}

// Blocks turns the steps of one answer into events, which come in blocks: it opens and
// closes them, and keeps back pieces of a call while an earlier one is not complete. Its
// zero value is ready for an answer.
type Blocks struct {
	// opened counts the blocks that have been opened, current is the one that is open.
	opened  int
	current *flatBlock
	// waiting are the blocks that can't be opened yet, in their order.
	waiting []*flatBlock
	// naming is the call of which the name may go on; nil: there is none.
	naming *flatBlock
	// calls are the latest calls of the answer by their index.
	calls  map[int]*flatBlock
	held   int // bytes of what waits, and of knowing the calls
	events []chat.Event
	// first and room are the first block and the events of most answers: they need no room
	// of their own.
	first flatBlock
	room  [2]chat.Event
	tail  []byte // what the latest event's text goes on with
}

// flatBlock is a block on its way.
type flatBlock struct {
	kind   chat.BlockKind
	call   CallPiece // without arguments
	text   []byte    // what has come while it waited
	extent jsonExtent
	closed bool
}

const (
	// maxHeldCalls bounds what is kept of an answer, in bytes.
	maxHeldCalls = 32 << 20
	// callRoom is about what it takes to know of a call, in bytes.
	callRoom = 256
)

// Errors of Blocks.
var (
	ErrCallGoesOn = errors.New("the answer adds to a call that was complete")
	ErrCallsHeld  = errors.New("the answer's calls are larger than 32 MiB")
)

// Events returns the events of the next step: at least one, the first with the step's Raw.
// They are valid until the next call. After an error the answer can't go on.
func (b *Blocks) Events(flat *Flat) ([]chat.Event, error) {
	if b.events = b.events[:0]; b.events == nil {
		b.events = b.room[:0]
	}
	if b.goesOn(flat) {
		b.events = append(b.events, chat.Event{Text: flat.Text, Block: b.opened - 1, Raw: flat.Raw, More: flat.More})
		return b.events, nil
	}
	b.piece(chat.ReasoningBlock, flat.Reasoning)
	b.piece(chat.TextBlock, flat.Text)
	b.piece(chat.RefusalBlock, flat.Refusal)
	for i := range flat.Calls {
		if err := b.call(&flat.Calls[i]); err != nil {
			return nil, err
		}
	}
	if flat.Finish != chat.Unfinished {
		b.finish()
	}
	b.flush()
	if len(b.events) == 0 {
		b.events = append(b.events, chat.Event{})
	}
	for i := range b.events {
		b.events[i].Raw.Dialect, b.events[i].More = flat.Raw.Dialect, true
	}
	first, last := &b.events[0], &b.events[len(b.events)-1]
	first.Raw = flat.Raw
	last.Finish, last.Usage, last.More = flat.Finish, flat.Usage, flat.More
	return b.events, nil
}

// goesOn tells whether a step is the next piece of the text that is open, and nothing else:
// nearly all are.
func (b *Blocks) goesOn(flat *Flat) bool {
	return flat.Text != "" && flat.Reasoning == "" && flat.Refusal == "" && flat.Calls == nil && flat.Finish == chat.Unfinished && flat.Usage == nil &&
		b.inText()
}

// inText tells whether a block of text is open, and nothing waits for its end.
func (b *Blocks) inText() bool {
	return b.current != nil && b.current.kind == chat.TextBlock && len(b.waiting) == 0 && b.naming == nil
}

// InText returns the number of the block of text that is open. While nothing waits for its end,
// a step that is nothing but a text goes on with it; false: Events says what it does.
func (b *Blocks) InText() (block int, ok bool) { return b.opened - 1, b.inText() }

// piece takes what is no call.
func (b *Blocks) piece(kind chat.BlockKind, text string) {
	if text == "" {
		return
	}
	b.named()
	if last := b.last(); last == nil || last.kind != kind {
		b.begin(b.fresh(kind))
	}
	b.add(b.last(), text)
}

// fresh is a new block that is no call.
func (b *Blocks) fresh(kind chat.BlockKind) *flatBlock {
	if b.opened > 0 || len(b.waiting) > 0 || b.current != nil {
		return &flatBlock{kind: kind}
	}
	b.first.kind = kind
	return &b.first
}

// call takes a piece of a call.
func (b *Blocks) call(piece *CallPiece) error {
	block := b.calls[piece.Index]
	more := !isSpace(piece.Arguments)
	if block == nil || more && piece.Name != "" && block.complete() { // some upstreams number all calls alike
		b.named()
		block = &flatBlock{kind: chat.CallBlock, call: *piece}
		block.call.Arguments = ""
		if b.calls == nil {
			b.calls = map[int]*flatBlock{}
		}
		b.calls[piece.Index], b.naming = block, block
		b.held += callRoom
	} else if block == b.naming {
		before := len(block.call.Name)
		if block.learn(piece); len(block.call.Name) > before {
			b.held += len(block.call.Name) // it is copied with each piece
		}
	}
	switch {
	case b.held > maxHeldCalls:
		return ErrCallsHeld
	case piece.Arguments == "", block.closed && !more:
		return nil
	case block.closed:
		return ErrCallGoesOn
	case block == b.naming:
		b.named()
	}
	block.extent.take(piece.Arguments)
	b.add(block, piece.Arguments)
	if b.held > maxHeldCalls {
		return ErrCallsHeld
	}
	return nil
}

// learn takes what a later piece tells of a call. Some upstreams send a name in pieces, and
// some the whole of it again.
func (f *flatBlock) learn(piece *CallPiece) {
	if piece.Name != f.call.Name {
		f.call.Name += piece.Name
	}
	f.call.ID = cmp.Or(f.call.ID, piece.ID)
	f.call.Custom = f.call.Custom || piece.Custom
	if f.call.Extra == nil {
		f.call.Extra = piece.Extra
	}
}

// named begins the call that was being named, if there is one.
func (b *Blocks) named() {
	if block := b.naming; block != nil {
		b.naming = nil
		b.begin(block)
	}
}

// last is the block that was begun last; nil when it is closed, or there is none.
func (b *Blocks) last() *flatBlock {
	if n := len(b.waiting); n > 0 {
		return b.waiting[n-1]
	}
	return b.current
}

// begin takes a new block, and opens it unless one before it is not complete.
func (b *Blocks) begin(block *flatBlock) {
	if b.current == nil || b.current.complete() {
		b.close()
		b.open(block)
		return
	}
	b.waiting = append(b.waiting, block)
}

// complete tells whether nothing can follow in a block when another one begins. The end of
// free text is known by its call's alone.
func (f *flatBlock) complete() bool {
	return f.kind != chat.CallBlock || !f.call.Custom && f.extent.complete()
}

func (b *Blocks) open(block *flatBlock) {
	event := chat.Event{Block: b.opened, Kind: block.kind, Open: &chat.Block{}, Text: string(block.text)}
	if block.kind == chat.CallBlock {
		*event.Open = chat.Block{ID: block.call.ID, Name: block.call.Name, Custom: block.call.Custom, Extra: block.call.Extra}
	}
	b.held -= len(block.text)
	block.text = nil
	b.opened++
	b.current = block
	b.emit(event)
}

// emit adds an event to those of the step.
func (b *Blocks) emit(event chat.Event) {
	b.flush()
	b.events = append(b.events, event)
}

// flush gives the latest event the rest of its text.
func (b *Blocks) flush() {
	if len(b.tail) > 0 {
		b.events[len(b.events)-1].Text += string(b.tail)
		b.tail = b.tail[:0]
	}
}

func (b *Blocks) add(block *flatBlock, text string) {
	if block != b.current {
		block.text = append(block.text, text...)
		b.held += len(text)
		return
	}
	if n := len(b.events); n > 0 && b.events[n-1].Block == b.opened-1 && !b.events[n-1].Close { // opened just now
		if event := &b.events[n-1]; event.Text == "" && len(b.tail) == 0 {
			event.Text = text
		} else {
			b.tail = append(b.tail, text...)
		}
	} else {
		b.emit(chat.Event{Block: b.opened - 1, Kind: block.kind, Text: text})
	}
	b.proceed()
}

// proceed opens what waits for the present block's end.
func (b *Blocks) proceed() {
	for len(b.waiting) > 0 && b.current.complete() {
		next := b.waiting[0]
		b.waiting = b.waiting[1:]
		b.close()
		b.open(next)
	}
}

// close ends the open block, if there is one.
func (b *Blocks) close() {
	if b.current == nil {
		return
	}
	b.current.closed = true
	if n := len(b.events); n > 0 && b.events[n-1].Block == b.opened-1 {
		b.events[n-1].Close = true
	} else {
		b.emit(chat.Event{Block: b.opened - 1, Kind: b.current.kind, Close: true})
	}
	b.current = nil
}

// finish closes all blocks, also of calls that are not complete: the answer is cut short.
func (b *Blocks) finish() {
	b.named()
	b.close()
	for _, block := range b.waiting {
		b.open(block)
		b.close()
	}
	b.waiting = nil
}

// jsonExtent finds the end of a JSON object or array that comes in pieces.
type jsonExtent struct {
	depth             int
	begun             bool
	inString, escaped bool
}

// complete tells whether the object's end has come.
func (e *jsonExtent) complete() bool { return e.begun && e.depth <= 0 }

func (e *jsonExtent) take(piece string) {
	for i := range len(piece) {
		char := piece[i]
		switch {
		case e.escaped:
			e.escaped = false
		case e.inString && char == '\\':
			e.escaped = true
		case char == '"':
			e.inString = !e.inString
		case e.inString:
		case char == '{' || char == '[':
			e.depth, e.begun = e.depth+1, true
		case char == '}' || char == ']':
			e.depth--
		}
	}
}

func isSpace(text string) bool {
	for i := range len(text) {
		switch text[i] {
		case ' ', '\t', '\r', '\n':
		default:
			return false
		}
	}
	return true
}
